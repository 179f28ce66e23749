"""Trains one of the embedded models and writes it into models/NAME.

    python models/train.py extract|extract-draft|infill|guarded-programs [--minutes 60]
        [--resume | --start FOLDER] [--compile] [--threads 1] [--hardest 1]

Training lasts `--minutes` of processor time, divided by the threads: what else the machine does at the time
changes nothing. A checkpoint in build/models is written every three minutes of it, and `--resume` goes on
from it: with more minutes than it has run, for longer. Where there is no checkpoint, `--start models/NAME`
goes on from weights, at lower rates that fall from the first step on. SIGTERM writes a checkpoint and ends
it; `--write` puts what the last checkpoint holds into models/NAME.

Examples are drawn as they are needed and hardly ever come again. With `--hardest 4` four times as many are
drawn, and the quarter that costs the network most is learned: one that gets most of them right has little to
learn from the others, and telling which those are takes less than learning them.

`guarded-programs` learns programs of a toy language, in which a label stands before unsafe lines
(data/contracts.py); docs/inside/results.md examines it. Fifteen minutes are enough.

`infill` starts from the weights of `extract`, which must be there, at the lower rates. Each prompt is read
once for several copies of its canvas, in which other slots are hidden (masking.py). What is written is a
running mean of the weights of the last steps.

`--compile` has torch compile the layers, which needs a C++ compiler and a minute, and makes a step cheaper by
a seventh.
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from batches import LONGEST, SHORT, Batch, Canvases, Encoder, batches, canvases, padded, rows_of
from masking import hidden_places
from model import Network, Past, Shape, first_masked, load, save, training_of
from torch import Tensor

FOLDER = Path(__file__).parent
BUILD = FOLDER.parent / "build" / "models"
SHAPES = {
    "extract": Shape(layers=4, width=192, inner=512, vocabulary=2048),
    "extract-draft": Shape(layers=2, width=128, inner=320, vocabulary=2048),
    "infill": Shape(layers=4, width=192, inner=512, vocabulary=2048, causal=False),
    "guarded-programs": Shape(layers=4, width=128, inner=352, vocabulary=2048),
}
BATCH, BATCH_INFILL = 4096, 8192
"""Tokens of a batch."""
COPIES = 4
"""Copies of a canvas with other slots hidden, which share the pass over the prompt."""
MUON_RATE, ADAM_RATE = 3e-3, 3e-3
WARM_UP, DECAY = 0.01, 0.4
"""Shares of the training in which the rate rises and falls to nothing."""
SHORT_TOKENS = 2_500_000
"""So many tokens are of short examples, at the start."""
HELD_OUT_SEED = 99_000_000
"""Where held-out sentences are drawn from."""
AGAIN, DECAY_AGAIN = 0.5, 0.97
"""What the rates are multiplied by where training goes on from weights, and the share in which they fall."""
DECAY_INFILL = 0.25
"""The share of the training in which the rates of `infill` fall."""
SMOOTH = 0.002
"""By how much of the distance the running mean of the weights follows them in a step."""
SAVED_EACH, WRITTEN_EACH = 180, 600
"""Seconds of processor time between two checkpoints, and seconds that pass between them at most."""
LATTER = {
    "extract": "documents",
    "extract-draft": "documents",
    "infill": "tokens of a half",
    "guarded-programs": "programs",
}
"""What the second share of `held_out` is one of."""


def _numbers() -> torch.dtype:
    """Return the type that layers are computed in: bfloat16 where the processor multiplies such numbers by
    itself, else float32, which is then more than twice as fast."""
    can = torch.cpu.get_capabilities()
    return torch.bfloat16 if can.get("amx_bf16") or can.get("avx512_bf16") else torch.float32


TYPE = _numbers()


def rate_at(share: float, decay: float = DECAY) -> float:
    """Return the factor of the learning rates when this share of the training is done."""
    return min(1.0, (share + 1e-4) / WARM_UP, max(0.0, 1 - share) / decay)


def token_losses(network: Network, batch: Batch) -> Tensor:
    """Return the cross entropy of each token of the documents, given those before it."""
    places = batch.answer[:, 1:].flatten().nonzero()[:, 0]
    # Their number is rounded up, so that few shapes are met.
    blank = -len(places) % 256
    hidden = network.hidden(batch.ids[:, :-1], dtype=TYPE, places=F.pad(places, (0, blank)))
    goal = F.pad(batch.ids[:, 1:].flatten()[places], (0, blank), value=-100)
    return F.cross_entropy(network.logits(hidden), goal, reduction="none")[: len(places)]


def loss_of(network: Network, batch: Batch) -> Tensor:
    """Return the mean cross entropy of the tokens of the documents."""
    losses = token_losses(network, batch)
    return losses.sum() / len(losses)


def masked_loss(
    network: Network,
    batch: Canvases,
    mask: int,
    hidden: Tensor,
    weights: Tensor,
    dtype: torch.dtype = TYPE,
) -> Tensor:
    """Return the cross entropy of hidden tokens, weighted; each copy of a canvas counts alike.

    `hidden` and `weights` [rows, copies, slots] are those of masking.py. The copies of a canvas share the
    pass over its prompt, which reads no canvas. Logits are shifted by one, as in the causal network from
    which training starts, so each copy begins with the last token of the prompt, which predicts the first.
    """
    rows, copies, slots = hidden.shape
    columns, lengths = batch.prompt.shape[1], batch.prompt_real.sum(-1, keepdim=True)
    past = Past()
    causal = torch.full((columns, columns), -1e9).triu(1)[None, None]
    # Only the keys and values of the prompt are needed: the last layer goes on for one place.
    nothing = torch.zeros(1, dtype=torch.long)
    network.step(batch.prompt, torch.arange(columns)[None], causal, past, dtype, nothing)
    past.repeat(copies)

    last = batch.prompt.gather(1, lengths - 1)[:, None].expand(rows, copies, 1)
    shown = batch.ids[:, None].expand_as(hidden).masked_fill(hidden, mask)
    ids = torch.cat((last, shown), -1).flatten(0, 1)
    positions = (lengths - 1 + torch.arange(slots + 1)).repeat_interleave(copies, 0)
    places = torch.arange(slots + 1)
    reads_all = places >= hidden.flatten(0, 1).int().argmax(-1, keepdim=True)
    inside = (places[:, None] >= places) | reads_all[:, :, None]
    inside &= F.pad(batch.real, (1, 0), value=True).repeat_interleave(copies, 0)[:, None]
    # The last token of the prompt stands in each copy, and is read there alone.
    before = (torch.arange(columns) < lengths - 1).repeat_interleave(copies, 0)
    seen = torch.cat((before[:, None].expand(-1, slots + 1, -1), inside), -1)
    bias = torch.zeros(seen.shape).masked_fill(~seen, -1e9)[:, None]

    asked = F.pad(hidden, (0, 1)).flatten().nonzero()[:, 0]
    # Their number is rounded up, so that few shapes are met.
    blank = -len(asked) % 256
    states = network.step(ids, positions, bias, past, dtype, F.pad(asked, (0, blank)))
    goal = F.pad(batch.ids[:, None].expand_as(hidden)[hidden], (0, blank), value=-100)
    losses = F.cross_entropy(network.logits(states), goal, reduction="none")[: len(asked)]
    return (losses * weights[hidden]).sum() / (rows * copies)


@torch.no_grad()
def hardest(network: Network, batch: Batch, times: int) -> Batch:
    """Return one row in `times` of the batch: those whose documents the network thinks least likely."""
    wanted = batch.answer[:, 1:]
    losses = token_losses(network, batch).float()
    costs = torch.zeros(len(wanted)).index_add_(0, wanted.nonzero()[:, 0], losses)
    kept = costs.topk(-(-len(costs) // times)).indices
    return Batch(batch.ids[kept], batch.answer[kept], batch.real[kept])


@torch.no_grad()
def held_out(
    network: Network, encoder: Encoder, count: int = 128, *, labels: bool = False
) -> tuple[float, float]:
    """Return the shares of tokens and of whole documents of held-out sentences (with `labels`: programs) that
    are predicted right.

    Each token after the right ones: a document all of whose tokens are right is what greedy decoding writes.
    A network that fills masks is asked for the first token of a tail that is hidden from a random place on;
    its second share is that of tokens where half of the document is hidden.
    """
    draw = rows_of(encoder, HELD_OUT_SEED, labels=labels, unseen=True)
    rows = sorted((draw() for _ in range(count)), key=lambda row: len(row[0]) + len(row[1]))
    chance = torch.Generator().manual_seed(HELD_OUT_SEED)
    right = tokens = whole = half = 0
    for start in range(0, count, 32):
        batch = padded(rows[start : start + 32], encoder.special["<|pad|>"])
        if network.shape.causal:
            guess = network.logits(network.hidden(batch.ids[:, :-1], dtype=TYPE)).argmax(-1)
            good = (guess == batch.ids[:, 1:]) | ~batch.answer[:, 1:]
            total = int(batch.answer[:, 1:].sum())
            right += total - int((~good).sum())
            tokens += total
            whole += int(good.all(-1).sum())
            half += len(good)
            continue
        order = batch.answer.cumsum(-1) - 1
        first = (torch.rand(len(order), 1, generator=chance) * batch.answer.sum(-1, keepdim=True)).long()
        tail = batch.answer & (order >= first)
        spread = batch.answer & (torch.rand(order.shape, generator=chance) < 0.5)
        for hidden, asked in ((tail, tail & (order == first)), (spread, spread)):
            ids = batch.ids.masked_fill(hidden, encoder.special["<|mask|>"])
            masked = first_masked(ids, encoder.special["<|mask|>"])
            states = network.hidden(ids, first=masked, keep=batch.real, dtype=TYPE)
            guess = network.logits(states[:, :-1]).argmax(-1)
            good_tokens = int(((guess == batch.ids[:, 1:]) & asked[:, 1:]).sum())
            if asked is spread:
                whole, half = whole + good_tokens, half + int(asked.sum())
            else:
                right, tokens = right + good_tokens, tokens + int(asked.sum())
    return right / tokens, whole / half


def optimizers(network: Network) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices of the blocks, AdamW for the embedding and the norms."""
    matrices = [
        value for name, value in network.named_parameters() if value.dim() == 2 and "embed" not in name
    ]
    others = [value for name, value in network.named_parameters() if value.dim() == 1 or "embed" in name]
    return [
        torch.optim.Muon(matrices, lr=MUON_RATE, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=ADAM_RATE, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
    ]


def train(
    name: str,
    minutes: float,
    seed: int,
    resume: bool,
    compiled: bool,
    start: Path | None = None,
    times: int = 1,
) -> None:
    """Train a model for so many minutes in all; write it after each checkpoint."""
    torch.manual_seed(seed)
    encoder = Encoder()
    network = Network(SHAPES[name])
    checkpoint = BUILD / f"{name}.pt"
    state: dict[str, Any] = {"step": 0, "seconds": 0.0, "tokens": 0, "draws": 0}
    optims = optimizers(network)
    smooth: dict[str, Tensor] | None = None
    if resume and checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state.pop("network"))
        smooth = state.pop("smooth", None)
        for optim, saved in zip(optims, state.pop("optimizers"), strict=True):
            optim.load_state_dict(saved)
        state["draws"] += 1
    elif start is not None:
        network.load_state_dict(load(start).state_dict())
        state |= {key: value for key, value in training_of(start).items() if key in state}
        state["draws"] = state["step"]
    elif name == "infill":
        network.load_state_dict(load(FOLDER / "extract").state_dict())
    if smooth is None and name == "infill":
        smooth = {key: value.clone() for key, value in network.state_dict().items()}
    chance = torch.Generator().manual_seed(seed + state["step"])

    begins = start is None and name not in ("infill", "guarded-programs")

    def longest() -> int:
        return SHORT if state["tokens"] < SHORT_TOKENS and begins else LONGEST

    def clock() -> float:
        return time.process_time() / torch.get_num_threads()

    def done() -> float:
        """Return the share of the training that is over."""
        return float(state["seconds"]) / (minutes * 60)

    # A run that goes on draws from a seed of its own: no example of before comes again.
    seed = seed * 1000 + state["draws"]
    canvas_source = canvases(encoder, seed, BATCH_INFILL, COPIES)
    source = batches(encoder, seed, BATCH * times, longest, labels=name == "guarded-programs")
    if compiled:
        # Once for each layer, with gradients and without, where a length is 1 and where it is not.
        torch._dynamo.config.recompile_limit = 64
        for layer in network.model.layers:
            layer.compile(dynamic=True)
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.append(number))
    started = last = clock()
    written_at = time.time()
    before, mean, shown = state["seconds"], 0.0, state["step"]

    def learn(loss: Tensor) -> None:
        """Make one step of training."""
        nonlocal mean, shown
        share = done()
        if name == "infill":
            factor = AGAIN * rate_at(share, DECAY_INFILL)
        else:
            factor = rate_at(share) if start is None else AGAIN * rate_at(share, DECAY_AGAIN)
        for optim, rate in zip(optims, (MUON_RATE, ADAM_RATE), strict=True):
            for group in optim.param_groups:
                group["lr"] = rate * factor
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optim in optims:
            optim.step()
            optim.zero_grad()
        mean += loss.item()
        state["step"] += 1
        if smooth is not None:
            for key, value in network.state_dict().items():
                smooth[key].lerp_(value, max(SMOOTH, 1 / state["step"]))
        if state["step"] % 50 == 0:
            print(
                f"{datetime.now(UTC):%H:%M:%S} {name} step {state['step']} {state['seconds'] / 60:.1f} min "
                f"{state['tokens'] / 1e6:.2f}M tokens loss {mean / (state['step'] - shown):.4f} "
                f"rate {factor:.3f}",
                flush=True,
            )
            mean, shown = 0.0, state["step"]

    while done() < 1 and not stopped:
        if name == "infill":
            canvas = next(canvas_source)
            state["tokens"] += canvas.read(COPIES)
            answer = canvas.answer[:, None].expand(-1, COPIES, -1)
            hidden, weights = hidden_places(answer.flatten(0, 1), chance)
            shape = answer.shape
            mask = encoder.special["<|mask|>"]
            learn(masked_loss(network, canvas, mask, hidden.view(shape), weights.view(shape)))
        else:
            batch = next(source)
            state["tokens"] += batch.tokens
            if times > 1:
                batch = hardest(network, batch, times)
            learn(loss_of(network, batch))
        now = clock()
        state["seconds"] = before + now - started
        # A checkpoint costs seconds: not where the processor gave hardly more since the last one.
        due = now - last > SAVED_EACH or (now - last > 40 and time.time() - written_at > WRITTEN_EACH)
        if due or done() >= 1 or stopped:
            last, written_at = now, time.time()
            written = network
            if smooth is not None:
                written = Network(network.shape)
                written.load_state_dict(smooth)
            shares = held_out(written, encoder, labels=name == "guarded-programs")
            print(f"{name} held out: tokens {shares[0]:.4f} {LATTER[name]} {shares[1]:.3f}", flush=True)
            BUILD.mkdir(parents=True, exist_ok=True)
            saved = {"network": network.state_dict(), "optimizers": [optim.state_dict() for optim in optims]}
            if smooth is not None:
                saved["smooth"] = smooth
            torch.save(state | saved, checkpoint.with_suffix(".new"))
            os.replace(checkpoint.with_suffix(".new"), checkpoint)
            training = {
                "step": state["step"],
                "tokens": state["tokens"],
                "minutes": int(state["seconds"] / 60),
            }
            save(written, BUILD / name, encoder.special, training)
    if not stopped:
        write(name)


def write(name: str) -> None:
    """Put the trained weights and the tokenizer's files into models/NAME."""
    encoder, folder = Encoder(), FOLDER / name
    save(load(BUILD / name), folder, encoder.special, training_of(BUILD / name))
    for file in (FOLDER / "tokenizer").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=list(SHAPES))
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--start", type=Path, help="a folder with weights to go on from")
    parser.add_argument(
        "--hardest", dest="times", type=int, default=1, help="draw so many times what is learned"
    )
    parser.add_argument("--compile", dest="compiled", action="store_true")
    parser.add_argument("--write", action="store_true", help="only write what the last checkpoint holds")
    options = vars(parser.parse_args())
    torch.set_num_threads(options.pop("threads"))
    if options.pop("write"):
        write(options["name"])
        return
    if options["times"] > 1 and not SHAPES[options["name"]].causal:
        parser.error("--hardest is for causal networks: what a masked one is asked is drawn anew each time")
    train(**options)


if __name__ == "__main__":
    main()
