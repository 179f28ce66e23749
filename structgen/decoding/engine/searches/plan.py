"""Plans a text with a reward: a tree search over tokens, whose leaves are completed and judged (PG-TD: Zhang
et al., "Planning with Large Language Models for Code Generation", 2023).

A *reward* is the user's function from a finished text to a number; 1 is the best. A *node* is a prefix of the
text. A *rollout* goes down the tree, adds one node, and judges one text.

A node's children are the `k` likeliest allowed tokens, with their probabilities P renormalised. A rollout
goes down by the greatest Q + beta P sqrt(log N) / (1 + n), where N counts the node's rollouts, n the child's,
Q is the best reward below the child, and beta = log((N + 11) / 10) + 4. It adds one child, completes the text
greedily, and asks for the reward. The text with the best reward is taken, the first one of equals.

The next-token distributions (*laws*) and the completions of all prefixes are kept, so that each prefix is
read once. The grammar makes each rollout a whole text, so that no rollout is lost to wrong syntax.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, TypeAlias

import numpy as np

from structgen.base.errors import OptionError, fields_named
from structgen.base.language.checks import NumberCheck, PositiveCount, WholeCheck, check_fields
from structgen.decoding.engine.model_protocol import Model
from structgen.decoding.engine.searches.branches import Branch, TextPlace
from structgen.decoding.engine.searches.rewards import Reward, Rewards, named_reward
from structgen.decoding.engine.strategies.strategy import Decision, Scores, SearchStrategy
from structgen.decoding.speculation.drafts.model_rows import Tokens
from structgen.tokens.tokenizer import Tokenizer

_Reading: TypeAlias = Generator[Sequence[Branch], list[Scores], Branch]


@fields_named("sg.strategies.PlanningSearch(reward=tests_passed)")
@dataclass(frozen=True, slots=True)
class PlanningSearch(SearchStrategy):
    """The text with the best reward that a tree search finds."""

    name: ClassVar[str] = "plan"
    is_greedy: ClassVar[bool] = True
    reward: Reward | None = field(default=None, repr=False)
    """The function that is called with the value of a JSON document, or with a text, and returns a number. It
    must be given. 1 is the best reward."""
    seconds: Annotated[float, NumberCheck(1e-3, 1e6, "seconds, from 0.001")] = 1.0
    """The most seconds of one call of the reward."""
    megabytes: Annotated[int, WholeCheck(16)] = 512
    """The most memory of the reward, in megabytes."""
    k: PositiveCount = 3
    """The number of tokens that are tried after a prefix."""
    rollouts: PositiveCount = 256
    """The most texts that are judged; 1: only the greedy text."""
    named: str = field(default="", init=False)
    """The name of the reward."""

    def __post_init__(self) -> None:
        if not callable(self.reward):
            fault = f"{type(self.reward).__name__} cannot be called."
            if self.reward is None:
                fault = "The reward is missing."
            raise OptionError(
                fault,
                where="reward",
                cure="Pass a function from a value, or a text, to a number; in a command module:function.",
            )
        check_fields(self)
        # a field of a frozen dataclass can only be set in this way
        object.__setattr__(self, "named", named_reward(self.reward))

    def begin(self, model: Model, tokenizer: Tokenizer) -> Rewards:
        """Return the `Rewards` of a request, which calls the reward in a process of its own."""
        assert self.reward is not None
        return Rewards(self.reward, self.seconds, self.megabytes)

    def plan(self, place: TextPlace, held: Rewards) -> Generator[Sequence[Branch], list[Scores], Decision]:
        """Return the tokens that complete the text in the best way found. Cost: at most a row for each token
        of each rollout, and a call of the reward for each new text."""
        if self.rollouts == 1:
            return Decision()  # the best text is the greedy one, which the engine writes by itself
        tree = _Tree(self, place, held)
        # 1 is the best reward: no text can be better
        while tree.count < self.rollouts and tree.reward < 1:
            yield from tree.roll_out()
            yield []  # so that other texts continue meanwhile, and this text may be cancelled
        state = tree.reward, float(tree.count), float(tree.failures)
        return Decision(tree.best.tokens, state=state)

    def told(self, states: Sequence[tuple[float, ...]]) -> str:
        """Return a summary: the best reward, and the number of rollouts."""
        if not states:
            return ""
        reward, rollouts, failures = states[-1]
        summary = f"plan: the best of {rollouts:.0f} rollouts has the reward {reward:g}"
        if failures:
            summary += f"; {failures:.0f} of their rewards failed, and counted as 0"
        return summary


class _Node:
    """A prefix in the tree: its likeliest tokens, and the results of the texts below each."""

    def __init__(self, branch: Branch) -> None:
        self.branch = branch
        self.children: dict[int, _Node] = {}
        self.counts: Scores = np.empty(0)
        self.values: Scores = np.empty(0)

    def choose_edge(self, priors: Scores) -> int:
        """Return the number of the token (among the `k`) with which a rollout continues."""
        if not len(self.counts):
            self.counts = np.zeros(len(priors))
            self.values = np.zeros(len(priors))
        total = float(self.counts.sum())
        # the formula in the module's docstring, with the paper's constants 10 and 4
        beta = math.log((total + 10 + 1) / 10) + 4
        # at least 1, because a new node has no rollouts, and log 0 is not a number
        bonus = beta * priors * math.sqrt(math.log(max(total, 1.0))) / (1 + self.counts)
        return int(np.argmax(self.values + bonus))


class _Tree:
    """The tree of one decision."""

    def __init__(self, search: PlanningSearch, place: TextPlace, rewards: Rewards) -> None:
        self._search = search
        self._place = place
        self._rewards = rewards
        self._root = _Node(place.root())
        self.best = self._root.branch
        """The text with the best reward so far."""
        self.reward = -math.inf
        self.count = 0
        """The number of judged texts."""
        self.failures = 0
        """The number of calls of the reward that failed."""
        root_law = self._likeliest_tokens(self._root.branch, place.logits)
        self._laws: dict[Tokens, tuple[list[int], Scores]] = {(): root_law}
        """The likeliest tokens after each prefix that was read, with their probabilities."""
        self._completions: dict[Tokens, Branch] = {}
        """The whole text to which each prefix was completed."""

    def roll_out(self) -> Generator[Sequence[Branch], list[Scores], None]:
        """Judge one more text."""
        self.count += 1
        node = self._root
        path: list[tuple[_Node, int]] = []
        while not node.branch.is_over:
            tokens, priors = yield from self._find_law(node.branch)
            edge = node.choose_edge(priors)
            path.append((node, edge))
            child = node.children.get(edge)
            if child is None:
                # each rollout adds one child, so the tree grows where rollouts go
                child = node.children[edge] = _Node(node.branch.after(tokens[edge]))
                node = child
                break
            node = child
        text = yield from self._complete_branch(node.branch)
        returned_reward = self._rewards.of(text.text, self._place.value(text))
        self.failures += returned_reward is None
        reward = returned_reward or 0.0
        # a strict comparison: of equally good texts the first one stays
        if reward > self.reward:
            self.best = text
            self.reward = reward
        for parent_node, edge in path:
            parent_node.counts[edge] += 1
            # The best text below a node counts, and not the mean: one right text is enough.
            parent_node.values[edge] = max(parent_node.values[edge], reward)

    def _complete_branch(self, branch: Branch) -> _Reading:
        """Return the whole text to which a prefix is completed greedily."""
        prefixes = []
        while not branch.is_over:
            known_branch = self._completions.get(branch.tokens)
            if known_branch is not None:
                branch = known_branch
                break
            prefixes.append(branch.tokens)
            tokens, _ = yield from self._find_law(branch)
            branch = branch.after(tokens[0])
        # every prefix on the way of this greedy completion has the same completion
        self._completions.update(dict.fromkeys(prefixes, branch))
        return branch

    def _find_law(
        self, branch: Branch
    ) -> Generator[Sequence[Branch], list[Scores], tuple[list[int], Scores]]:
        """Return the likeliest tokens after a prefix, and their probabilities."""
        law = self._laws.get(branch.tokens)
        if law is None:
            (logits,) = yield [branch]
            law = self._laws[branch.tokens] = self._likeliest_tokens(branch, logits)
        return law

    def _likeliest_tokens(self, branch: Branch, logits: Scores) -> tuple[list[int], Scores]:
        """Return the `k` likeliest tokens, and their probabilities among one another."""
        law = branch.law(logits)
        # the stable sort puts the smaller id first among equally likely tokens
        order = np.argsort(-law, kind="stable")[: self._search.k]
        shares = np.exp(law[order])
        tokens = [int(token) for token in branch.allowed[order]]
        return tokens, shares / shares.sum()
