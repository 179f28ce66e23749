"""Lines of invoices, laboratory reports and contracts in twelve languages: the dates and numbers in them.

Each row is a line of a document and its value. Further values behind the first are other readings that the
line allows. The rows were written before the readers that read them.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from for_each import for_each

pytest.importorskip("babel")
pytest.importorskip("text_to_num")

from structgen.asking.grounding.readings import readings_of

DATES = """
This Agreement is made on the 3rd day of May, 2024, between the parties. | 2024-05-03
DATE OF REPORT: 03MAY2024 | 2024-05-03
Effective date 20240503, revision B | 2024-05-03
dated this twenty-first day of June, 2023 | 2023-06-21
Invoice date: May 3rd, 2024 | 2024-05-03
Signed on the third day of May, two thousand and twenty-four. | 2024-05-03
Rechnungsdatum: 3. Mai 2024 | 2024-05-03
Befund vom 03.05.2024, Labor Nord | 2024-05-03
Geschlossen zu Wien am 14. Jänner 2023 | 2023-01-14
zahlbar bis zum 31.12.24 | 2024-12-31 1924-12-31
am dritten Mai 2024 | 2024-05-03
Fait à Lyon, le 1er août 2023 | 2023-08-01
Date de facturation : 14 févr. 2024 | 2024-02-14
Prélèvement du 14/02/2024 à jeun | 2024-02-14
Échéance : 30 déc. 2023 | 2023-12-30
En Madrid, a 5 de marzo de 2024, reunidos | 2024-03-05
Fecha de factura: 17/11/2023 | 2023-11-17
el día 9 de septiembre de 2022 | 2022-09-09
vence el 30-sep-2024 | 2024-09-30
Roma, lì 12 gennaio 2024 | 2024-01-12
Data fattura: 28/02/2024 | 2024-02-28
Scadenza: 15 lug. 2024 | 2024-07-15
il primo marzo 2021 | 2021-03-01
Umowa zawarta dnia 11 listopada 2023 r. w Krakowie | 2023-11-11
Data wystawienia: 03.05.2024 | 2024-05-03
Termin płatności: 17 sierpnia 2024 roku | 2024-08-17
sprzedaż z dnia 5 paź 2023 | 2023-10-05
Wynik badania z 2 stycznia 2024 | 2024-01-02
V Praze dne 9. listopadu 2023 | 2023-11-09
Datum vystavení: 3. 5. 2024 | 2024-05-03
Splatnost faktury je 21. srpna 2024 | 2024-08-21
Smlouva nabývá účinnosti dne 1. ledna 2025 | 2025-01-01
Договор заключён 3 мая 2024 г. в Москве | 2024-05-03
Дата выставления счёта: 12.11.2023 | 2023-11-12
Анализ от 5 февр. 2024 г. | 2024-02-05
Москва, «17» августа 2023 года | 2023-08-17
оплатить до 30 сентября 2024 | 2024-09-30
İşbu sözleşme 3 Mayıs 2024 tarihinde imzalanmıştır. | 2024-05-03
Fatura tarihi: 12.11.2023 | 2023-11-12
Son ödeme günü: 5 Ağu 2024 | 2024-08-05
Rapor tarihi 21 Şubat 2024 | 2024-02-21
29 Ekim 1923'te ilan edildi | 1923-10-29
Fakturadatum: 2024-05-03 | 2024-05-03
Avtalet gäller från den 1 januari 2025 | 2025-01-01
Förfallodag 3 maj 2024 | 2024-05-03
Provtagning den 14 okt. 2023 | 2023-10-14
契約締結日 令和6年5月3日 | 2024-05-03
請求日：2024年5月3日 | 2024-05-03
平成31年4月30日まで有効 | 2019-04-30
昭和64年1月7日生 | 1989-01-07
令和元年五月一日付 | 2019-05-01
发票日期：2024年5月3日 | 2024-05-03
本合同于二〇二四年五月三日签订 | 2024-05-03
报告日期 2023-11-12 | 2023-11-12
中華民國113年5月3日 | 2024-05-03
계약일: 2024년 5월 3일 | 2024-05-03
작성일 2024. 5. 3. | 2024-05-03
발행일자 2023. 11. 12 | 2023-11-12
이천이십사년 오월 삼일 | 2024-05-03
Factuurdatum: 3 mei 2024 | 2024-05-03
"""

NUMBERS = """
Total due: $1,204.50 | 1204.50
Net amount GBP 12,350.00 | 12350
Balance (1,250.00) | -1250 1250
WBC 7.2 x 10^3/µL | 7200
Viral load 1.5 x 10^3 copies | 1500
Concentration 6.02 × 10²³ per mole | 602E+21
Dilution 2.5·10-3 | 0.0025
approved by two thirds of the votes | 0.6666666666666666
three quarters of the price | 0.75 3
since nineteen ninety-nine | 1999
founded in twenty ten | 2010
twelve thousand five hundred dollars | 12500
Hemoglobin 13.5 g/dL | 13.5
a discount of 15% | 0.15 15
Rechnungsbetrag: 1.204,50 EUR | 1204.50
Menge 3 Stück | 3
Kreatinin 0,92 mg/dl | 0.92
eintausendzweihundert Euro | 1200
19 % MwSt. | 0.19 19
Gesamt CHF 1'204.50 | 1204.50
zweieinhalb Jahre | 2.5
2,5 Mio. Euro | 2500000 2.5
Total TTC : 1 204,50 € | 1204.50
Quantité : 12 | 12
deux mille cinq cents euros | 2500
TVA 20 % | 0.2 20
glycémie 0,98 g/l | 0.98
quatre-vingt-dix jours | 90
capital de 10 000 € | 10000 10 0
Total: 1.204,50 € | 1204.50
mil doscientos euros | 1200
hemoglobina 14,2 g/dl | 14.2
IVA 21 % | 0.21 21
cuarenta y cinco días | 45
12 unidades | 12
Totale fattura € 2.350,00 | 2350
IVA 22% | 0.22 22
quantità 7 pezzi | 7
milleduecento euro | 1200
glicemia 92 mg/dl | 92
colesterolo 4,9 mmol/l | 4.9
Razem do zapłaty: 1 204,50 zł | 1204.50
Ilość: 15 szt. | 15
VAT 23% | 0.23 23
kwota 12 350,00 PLN | 12350
cena 1204,50 zł | 1204.50
hemoglobina 13,5 g/dl | 13.5
3 tys. zł | 3000 3
2,5 mln zł | 2500000 2.5
Celkem k úhradě: 12 350,50 Kč | 12350.50
DPH 21 % | 0.21 21
množství 8 ks | 8
glukóza 5,4 mmol/l | 5.4
5 tis. Kč | 5000 5
1,2 mil. Kč | 1200000 1.2
Итого к оплате: 12 350,50 руб. | 12350.50
НДС 20 % | 0.2 20
Количество: 24 шт. | 24
гемоглобин 135 г/л | 135
5 тыс. руб. | 5000 5
2,5 млн рублей | 2500000 2.5
сумма 3 млрд руб. | 3000000000 3
Toplam: 1.204,50 TL | 1204.50
KDV %20 | 0.2 20
Miktar 12 adet | 12
5 bin lira ve vergi | 5000 5
2,5 milyon lira | 2500000 2.5
hemoglobin 13,5 g/dL | 13.5
Summa: 12 350,50 kr | 12350.50
moms 25 % | 0.25 25
antal 14 st | 14
blodsocker 5,4 mmol/l | 5.4
3 miljoner kronor | 3000000 3
合計 ¥12,350 | 12350 12.350
金額 三万五千円 | 35000
請求額 3億2500万円 | 325000000
数量 12個 | 12
消費税 10% | 0.1 10
壱百万円 | 1000000
合计：人民币壹万贰仟叁佰元整 | 12300
总额 12,350.50元 | 12350.50
二百五十人 | 250
3.5亿元 | 350000000
数量：２４ | 24
血红蛋白 135 g/L | 135
5万元 | 50000
합계 12,350원 | 12350 12.350
5만 원 | 50000
3억 2천만 원 | 320000000
금액 삼만오천 원 | 35000
수량 12개 | 12
부가세 10% | 0.1 10
일금 이백오십만원 | 2500000
الإجمالي ١٬٢٠٤٫٥٠ | 1204.50
कुल १,२३,४५६.५० | 123456.50
รวม ๑,๒๐๔.๕๐ บาท | 1204.50
Totaal € 1.204,50 | 1204.50
Yhteensä 1 204,50 € | 1204.50
Összesen: 12 350,50 Ft | 12350.50
Tổng cộng: 1.204.500 đ | 1204500
"""


def rows(table: str) -> list[list[str]]:
    return [line.rsplit(" | ", 1) for line in table.strip().splitlines()]


@for_each(("line", "values"), rows(DATES))
def test_the_date_of_a_line_is_read_and_no_other(line: str, values: str) -> None:
    expected = [*map(dt.date.fromisoformat, values.split())]
    stated = {reading.value for reading in readings_of(line) if reading.kind == "date"}
    assert {expected[0]} <= stated <= {*expected}


@for_each(("line", "values"), rows(NUMBERS))
def test_the_number_of_a_line_is_read_and_no_other(line: str, values: str) -> None:
    expected = [*map(Decimal, values.split())]
    stated = {
        reading.value for reading in readings_of(line) if reading.kind == "number" and not reading.is_part
    }
    assert {expected[0]} <= stated <= {*expected}
