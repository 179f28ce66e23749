"""Trains one of the embedded models and writes it into models/NAME.

    python models/train.py extract|extract-draft|infill [--minutes 60] [--resume | --start FOLDER]
        [--compile] [--threads 1] [--hardest 1] [--average FOLDER]

Training lasts `--minutes` of processor time, divided by the threads: what else the machine does at the time
changes nothing. A checkpoint in build/models is written every four minutes, and `--resume` goes on from it:
with more minutes than it has run, for longer. Where there is no checkpoint, `--start models/NAME` goes on
from weights, at lower rates that fall from the first step on. Examples are drawn as they are needed and
hardly ever come again. With `--hardest 4` four times as many are drawn, and the quarter that costs the
network most is learned: one that gets most of them right has little to learn from the others, and telling
which those are takes less than learning them. `infill` starts from the weights of `extract`, which must be
there. `--compile` has torch compile the layers, which needs a C++ compiler and a minute, and makes a step
cheaper by a seventh. `--average FOLDER` trains nothing: it puts the mean of these weights and of those in
models/NAME there, if that predicts held-out sentences better than either (one went on from the other).
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from batches import LONGEST, SHORT, Batch, Encoder, batches, padded
from data.sentences import Examples
from model import Network, Shape, load, save, training_of
from torch import Tensor

FOLDER = Path(__file__).parent
BUILD = FOLDER.parent / "build" / "models"
SHAPES = {
    "extract": Shape(layers=4, width=192, inner=512, vocabulary=2048),
    "extract-draft": Shape(layers=2, width=128, inner=320, vocabulary=2048),
    "infill": Shape(layers=4, width=192, inner=512, vocabulary=2048, causal=False),
}
BATCH = 4096
"""Tokens of a batch."""
MUON_RATE, ADAM_RATE = 3e-3, 3e-3
WARM_UP, DECAY = 0.01, 0.4
"""Shares of the training in which the rate rises and falls to nothing."""
SHORT_TOKENS = 2_500_000
"""So many tokens are of short examples, at the start."""
HELD_OUT_SEED, MANY = 99_000_000, 1024
"""Where held-out sentences are drawn from; and how many of them tell weights apart that differ little."""
AGAIN, DECAY_AGAIN = 0.5, 0.97
"""What the rates are multiplied by where training goes on from weights, and the share in which they fall."""


def _numbers() -> torch.dtype:
    """Return the type that layers are computed in: bfloat16 where the processor multiplies such numbers by
    itself, else float32, which is then more than twice as fast."""
    can = torch.cpu.get_capabilities()
    return torch.bfloat16 if can.get("amx_bf16") or can.get("avx512_bf16") else torch.float32


TYPE = _numbers()


def rate_at(share: float, decay: float = DECAY) -> float:
    """Return the factor of the learning rates when this share of the training is done."""
    return min(1.0, (share + 1e-4) / WARM_UP, max(0.0, 1 - share) / decay)


def loss_of(network: Network, batch: Batch, mask: int, chance: torch.Generator) -> Tensor:
    """Return the mean cross entropy of the tokens of the document that are to be predicted."""
    if network.shape.causal:
        ids, wanted, keep = batch.ids[:, :-1], batch.answer[:, 1:], None
    else:
        hide = hidden_places(batch.answer, chance)
        # Shifted by one, as in the causal network from which it starts: a place tells the token of the next.
        ids, wanted = batch.ids.masked_fill(hide, mask)[:, :-1], hide[:, 1:]
        keep = batch.real[:, :-1]
    places = wanted.flatten().nonzero()[:, 0]
    # Their number is rounded up, so that few shapes are met.
    blank = -len(places) % 256
    hidden = network.hidden(ids, keep=keep, dtype=TYPE, places=F.pad(places, (0, blank)))
    goal = F.pad(batch.ids[:, 1:].flatten()[places], (0, blank), value=-100)
    losses = F.cross_entropy(network.logits(hidden), goal, reduction="none")
    if network.shape.causal:
        return losses.sum() / len(places)
    # Each row counts alike: where all is masked, most of the loss is what nobody could know.
    weights = (1 / wanted.sum(-1, keepdim=True)).expand(wanted.shape).flatten()[places]
    return (losses[: len(places)] * weights).sum() / len(wanted)


@torch.no_grad()
def hardest(network: Network, batch: Batch, times: int) -> Batch:
    """Return one row in `times` of the batch: those whose documents the network thinks least likely."""
    wanted = batch.answer[:, 1:]
    places = wanted.flatten().nonzero()[:, 0]
    blank = -len(places) % 256
    hidden = network.hidden(batch.ids[:, :-1], dtype=TYPE, places=F.pad(places, (0, blank)))
    logits = network.logits(hidden)[: len(places)]
    losses = F.cross_entropy(logits, batch.ids[:, 1:].flatten()[places], reduction="none")
    costs = torch.zeros(len(wanted)).index_add_(0, wanted.nonzero()[:, 0], losses.float())
    kept = costs.topk(-(-len(costs) // times)).indices
    return Batch(batch.ids[kept], batch.answer[kept], batch.real[kept])


def hidden_places(answer: Tensor, chance: torch.Generator) -> Tensor:
    """Return which places of the document are masked, at least one of each row.

    In two rows of five a random share of them (masked diffusion), in the others a hole: one stretch, which in
    half the cases reaches to the end.
    """
    rows = len(answer)
    share = torch.rand(rows, 1, generator=chance) ** 0.75
    draw = torch.rand(answer.shape, generator=chance).masked_fill(~answer, 2.0)
    spread = (draw < share) | (draw == draw.min(-1, keepdim=True).values)
    order = answer.cumsum(-1) - 1
    length = answer.sum(-1, keepdim=True)
    start = (torch.rand(rows, 1, generator=chance) * length).long()
    end = start + 1 + (torch.rand(rows, 1, generator=chance) * (length - start)).long()
    end = torch.where(torch.rand(rows, 1, generator=chance) < 0.5, length, end)
    hole = answer & (order >= start) & (order < end)
    return torch.where(torch.rand(rows, 1, generator=chance) < 0.4, spread, hole)


@torch.no_grad()
def held_out(network: Network, encoder: Encoder, count: int = 128) -> tuple[float, float]:
    """Return the shares of tokens and of whole documents that the network predicts after the right ones.

    Of held-out sentences. A document all of whose tokens are right is what greedy decoding writes.
    """
    source = Examples(HELD_OUT_SEED, unseen=True)
    rows = sorted(
        (encoder.pair(source.draw()) for _ in range(count)), key=lambda row: len(row[0]) + len(row[1])
    )
    right = tokens = whole = 0
    for start in range(0, count, 32):
        batch = padded(rows[start : start + 32], encoder.special["<|pad|>"])
        if network.shape.causal:
            guess = network.logits(network.hidden(batch.ids[:, :-1], dtype=TYPE)).argmax(-1)
            good = (guess == batch.ids[:, 1:]) | ~batch.answer[:, 1:]
            total = int(batch.answer[:, 1:].sum())
        else:
            ids = batch.ids.masked_fill(batch.answer, encoder.special["<|mask|>"])
            hidden = network.hidden(ids, keep=batch.real, dtype=TYPE)
            guess = network.logits(hidden[:, :-1]).argmax(-1)
            good = (guess == batch.ids[:, 1:]) | ~batch.answer[:, 1:]
            total = int(batch.answer[:, 1:].sum())
        right += total - int((~good).sum())
        tokens += total
        whole += int(good.all(-1).sum())
    return right / tokens, whole / count


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
    """Train a model for so many minutes in all, and write it after each checkpoint."""
    torch.manual_seed(seed)
    encoder = Encoder()
    network = Network(SHAPES[name])
    checkpoint = BUILD / f"{name}.pt"
    state: dict[str, Any] = {"step": 0, "seconds": 0.0, "tokens": 0, "draws": 0}
    optims = optimizers(network)
    if resume and checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state.pop("network"))
        for optim, saved in zip(optims, state.pop("optimizers"), strict=True):
            optim.load_state_dict(saved)
        state["draws"] += 1
    elif start is not None:
        network.load_state_dict(load(start).state_dict())
        state |= training_of(start)
        state["draws"] = state["step"]
    elif name == "infill":
        network.load_state_dict(load(FOLDER / "extract").state_dict())
    chance = torch.Generator().manual_seed(seed + state["step"])

    begins = start is None and name != "infill"

    def longest() -> int:
        return SHORT if state["tokens"] < SHORT_TOKENS and begins else LONGEST

    def clock() -> float:
        return time.process_time() / torch.get_num_threads()

    # A run that goes on draws from a seed of its own: no example of before comes again.
    source = batches(encoder, seed * 1000 + state["draws"], BATCH * times, longest, canvas=name == "infill")
    if compiled:
        # Once for each layer, with gradients and without, where a length is 1 and where it is not.
        torch._dynamo.config.recompile_limit = 64
        for layer in network.model.layers:
            layer.compile(dynamic=True)
    started = last = clock()
    before, mean, shown = state["seconds"], 0.0, state["step"]
    while state["seconds"] < minutes * 60:
        share = state["seconds"] / (minutes * 60)
        factor = rate_at(share) if start is None else AGAIN * rate_at(share, DECAY_AGAIN)
        for optim, rate in zip(optims, (MUON_RATE, ADAM_RATE), strict=True):
            for group in optim.param_groups:
                group["lr"] = rate * factor
        batch = next(source)
        state["tokens"] += batch.tokens
        if times > 1:
            batch = hardest(network, batch, times)
        loss = loss_of(network, batch, encoder.special["<|mask|>"], chance)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        for optim in optims:
            optim.step()
            optim.zero_grad()
        mean += loss.item()
        state["step"] += 1
        now = clock()
        state["seconds"] = before + now - started
        if state["step"] % 25 == 0:
            print(
                f"{name} step {state['step']} {state['seconds'] / 60:.1f} min {state['tokens'] / 1e6:.2f}M "
                f"tokens loss {mean / (state['step'] - shown):.4f} rate {factor:.2f}",
                flush=True,
            )
            mean, shown = 0.0, state["step"]
        if now - last > 240 or state["seconds"] >= minutes * 60:
            last = now
            tokens, whole = held_out(network, encoder)
            print(f"{name} held out: tokens {tokens:.4f} documents {whole:.3f}", flush=True)
            BUILD.mkdir(parents=True, exist_ok=True)
            saved = {"network": network.state_dict(), "optimizers": [optim.state_dict() for optim in optims]}
            torch.save(state | saved, checkpoint.with_suffix(".new"))
            os.replace(checkpoint.with_suffix(".new"), checkpoint)
            save(network, BUILD / name, encoder.special, {key: state[key] for key in ("step", "tokens")})
    write(name)


def write(name: str) -> None:
    """Put the trained weights and the tokenizer's files into models/NAME."""
    encoder, folder = Encoder(), FOLDER / name
    save(load(BUILD / name), folder, encoder.special, training_of(BUILD / name))
    for file in (FOLDER / "tokenizer").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())


def mean_of(one: Network, other: Network) -> Network:
    """Return a network with the mean of the weights of two."""
    found = Network(one.shape)
    weights = other.state_dict()
    found.load_state_dict({key: (value + weights[key]) / 2 for key, value in one.state_dict().items()})
    return found


def average(name: str, folder: Path) -> None:
    """Put the mean of the weights in models/NAME and in a folder there, if it is better than both."""
    here, encoder = FOLDER / name, Encoder()
    networks = [load(here), load(folder)]
    networks.append(mean_of(*networks))
    found = [held_out(network, encoder, MANY) for network in networks]
    for title, (tokens, whole) in zip((here, folder, "mean"), found, strict=True):
        print(f"{title}: held out: tokens {tokens:.4f} documents {whole:.4f}")
    if found[2][1] > max(found[0][1], found[1][1]):
        save(networks[2], here, encoder.special, max(map(training_of, (here, folder)), key=_tokens_of))
        print(f"the mean is written to {here}")


def _tokens_of(training: dict[str, int]) -> int:
    return training["tokens"]


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
    parser.add_argument("--hardest", type=int, default=1, help="draw so many times what is learned")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--average", type=Path, help="a folder with weights to take the mean with")
    parser.add_argument("--write", action="store_true", help="only write what the last checkpoint holds")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.write:
        write(options.name)
    elif options.average is not None:
        average(options.name, options.average)
    else:
        if options.hardest > 1 and not SHAPES[options.name].causal:
            parser.error(
                "--hardest is for causal networks: what a masked one is asked is drawn anew each time"
            )
        train(
            options.name,
            options.minutes,
            options.seed,
            options.resume,
            options.compile,
            options.start,
            options.hardest,
        )


if __name__ == "__main__":
    main()
