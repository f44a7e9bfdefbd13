"""Explains scores, at lower priority than scoring."""

from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

from adscore.errors import AdscoreError
from adscore.explanation import Box, CheckedPart, Plan, WhatIf, count_encodings
from adscore.scoring.scorer import Scorer
from adscore_protos.v1 import scoring_pb2
from adscore_server.calls.call import Call
from adscore_server.calls.queue import BackgroundQueue, WorkQueue
from adscore_server.calls.wire import Layout
from adscore_server.models.registry import ServedModels
from adscore_server.scoring.convert import creative_from_wire, explanation_to_wire
from adscore_server.scoring.long_work import LongWork
from adscore_server.scoring.pieces import PiecesOfCall
from adscore_server.scoring.work import Scoring, check_id

# The creative and the variants asked about: each costs an encoding.
_EXPLAIN = Layout(frozenset({1, 5, 7, 8, 9}), frozenset({1}))


class Explaining:
    """Answers Explain; thread-safe.

    Args:
        models: The served models.
        scoring: Reads the requests.
        cores: Cores of the server, at least 1.

    Attributes:
        queue: Calls waiting to be explained.
    """

    def __init__(self, models: ServedModels, scoring: Scoring, cores: int) -> None:
        self._models, self._scoring = models, scoring
        self.queue = BackgroundQueue(self._begin, cores)

    def _begin(self, call: Call) -> None:
        """Starts an Explain.

        Raises:
            InvalidCreativeError: The creative cannot be scored.
            InvalidQuestionError: A question about it is invalid.
            UnanswerableError: The model predicts no rate.
            OverloadedError: Too many calls wait for long work.
        """
        request = self._scoring.read(call, scoring_pb2.ExplainRequest, _EXPLAIN, _cost)
        scorer = self._models.resolve(request.model, request.model_version)
        creative = creative_from_wire(request.creative)
        check_id(creative)
        plan = Plan(scorer, creative, _what_if_from_wire(request), request.target)
        long_work = self._scoring.long_work

        def prepare() -> PiecesOfExplanation:
            plan.prepare()
            return PiecesOfExplanation(
                call, VariantsOfCreative(plan, creative.id, scorer), long_work
            )

        rest = PreparedLater(call, plan, prepare, long_work) if plan.takes_long else prepare()
        rest.start(self.queue)


class VariantsOfCreative:
    """A creative and its variants; a `pieces.Job`.

    Args:
        plan: The prepared questions.
        creative_id: Id of the creative.
        scorer: The model.
    """

    def __init__(self, plan: Plan, creative_id: str, scorer: Scorer) -> None:
        self.count, self.budget, self.work = plan.count, plan.budget, plan.work
        self._plan, self._creative_id, self._scorer = plan, creative_id, scorer

    def check(self, place: int) -> Any:
        """See `pieces.Job`."""
        return _attempt(self._plan.check, place)

    def decode(self, checked: CheckedPart) -> Any:
        """See `pieces.Job`."""
        return _attempt(self._plan.decode, checked)

    def finish(self, outcomes: list[Any]) -> Message:
        """Raises what was wrong with the first image that is not right."""
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        explanation = explanation_to_wire(
            self._plan.finish(outcomes), self._creative_id, self._scorer
        )
        return scoring_pb2.ExplainResponse(explanation=explanation)


class PiecesOfExplanation(PiecesOfCall):
    """Pieces of one variant, so that one explanation uses all threads and several take turns."""

    _size = 1


class PreparedLater:
    """An explanation that is slow to prepare: it searches for text, or the image is large.

    Args:
        call: The call.
        plan: The questions of the call.
        prepare: Prepares the plan and returns the remaining work.
        long_work: Where the preparation runs.
    """

    def __init__(
        self,
        call: Call,
        plan: Plan,
        prepare: Callable[[], PiecesOfExplanation],
        long_work: LongWork,
    ) -> None:
        self._call, self._plan, self._prepare = call, plan, prepare
        self._long_work = long_work

    def start(self, queue: WorkQueue) -> None:
        """Has it worked on.

        Raises:
            OverloadedError: Too many calls wait for long work.
        """

        def begin() -> None:
            try:
                self._call.require_caller()
                self._prepare().start(queue)
            except Exception as error:
                self._call.fail(error)
            finally:
                self._long_work.leave()

        self._long_work.enter(self._call)
        claim = self._plan.budget.claim(self._plan.pixels)
        self._long_work.decode(self._call, claim, begin)


def _attempt(step: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a step; an error of the question is returned, not raised."""
    try:
        return step(*arguments)
    except AdscoreError as error:
        return error


def _cost(request: scoring_pb2.ExplainRequest) -> int:
    return count_encodings(request.creative.headline, _what_if_from_wire(request))


def _what_if_from_wire(wire: scoring_pb2.ExplainRequest) -> WhatIf:
    return WhatIf(
        boxes=[Box(box.left, box.top, box.right, box.bottom) for box in wire.boxes],
        find_text=wire.find_text,
        swaps=[(swap.word, swap.replacement) for swap in wire.swaps],
        headlines=list(wire.headlines),
        images=list(wire.images),
    )
