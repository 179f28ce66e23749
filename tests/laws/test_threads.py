"""Eight threads on one compiled grammar and one store see what one thread sees."""

from __future__ import annotations

from cases import Case, any_cases
from effort import BRIEF
from engine import system_of
from hypothesis import given
from laws import threads_agree

import structgen as sg


@BRIEF
@given(any_cases())
def test_eight_threads_see_what_one_sees(case: Case) -> None:
    threads_agree(system_of(case, sg.MaskStore()), system_of(case), case.chance)
