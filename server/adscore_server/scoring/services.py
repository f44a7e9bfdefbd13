"""The methods of adscore.v1 and health: what each does and in which queue it waits."""

from collections.abc import Callable, Sequence

from google.protobuf.message import Message

from adscore.scoring.pixel_budget import PixelBudget
from adscore_protos.v1 import model_pb2, scoring_pb2
from adscore_server.calls.admission import Places
from adscore_server.calls.call import Call
from adscore_server.calls.queue import WorkQueue, quick_queue
from adscore_server.calls.wire import parse, require_small
from adscore_server.checking import LIST_PLACEMENTS, Checking
from adscore_server.config import ServerConfig
from adscore_server.models.registry import ServedModels
from adscore_server.scoring.convert import model_to_wire
from adscore_server.scoring.deciding import AnsweredNow, Deciding
from adscore_server.scoring.explaining import Explaining
from adscore_server.scoring.grids import Grids
from adscore_server.scoring.pieces import PiecesOfCall
from adscore_server.scoring.work import MAX_SCORES_TOGETHER, Scoring

SCORING = scoring_pb2.DESCRIPTOR.services_by_name["ScoringService"].full_name
MODELS = model_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name

_SCORE, EXPLAIN = f"/{SCORING}/Score", f"/{SCORING}/Explain"


class Services:
    """The methods with one request, by full name, and the queues for their work.

    Args:
        config: The limits of a request.
        models: The served models.
        pressure: The places of scoring calls.
        budget: Bounds what checks decode at once; None creates a separate one.

    Attributes:
        scoring: Answers requests for scores.
        explaining: Answers requests for explanations.
        checking: Answers requests for checks.
        queue: Calls waiting to be scored.
        quick: Calls that are answered at once.
    """

    def __init__(
        self,
        config: ServerConfig,
        models: ServedModels,
        pressure: Places,
        budget: PixelBudget | None = None,
    ) -> None:
        self._models = models
        self.scoring = Scoring(config, models)
        self.explaining = Explaining(models, self.scoring, config.decode_threads)
        self.checking = Checking(config, self.scoring, budget)
        grids = Grids(config, models, self.scoring)
        self._many: dict[str, Callable[[Call], PiecesOfCall | AnsweredNow]] = {
            f"/{SCORING}/BatchScore": self.scoring.score_batch,
            f"/{SCORING}/ScoreCombinations": grids.score_combinations,
            f"/{SCORING}/Match": grids.match,
            f"/{SCORING}/Decide": Deciding(config, models, self.scoring).decide,
        }
        self._answers: dict[str, Callable[[Call], Message]] = {
            f"/{MODELS}/ListModels": self._list_models,
            f"/{MODELS}/GetModel": self._get_model,
            LIST_PLACEMENTS: self.checking.list_placements,
        }
        self.queue = WorkQueue(
            self._score,
            config.decode_threads,
            MAX_SCORES_TOGETHER,
            pressure,
            is_alone=lambda call: call.method != _SCORE,
        )
        self.quick = quick_queue(self._answers)

    @property
    def scoring_methods(self) -> Sequence[str]:
        """Methods whose calls wait in `queue`."""
        return _SCORE, *self._many

    @property
    def quick_methods(self) -> Sequence[str]:
        """Methods that are answered at once."""
        return tuple(self._answers)

    def stop(self, *, wait: bool) -> None:
        """Ends the threads once the queues are empty; optionally waits for them."""
        self.queue.stop(wait=wait)
        self.explaining.queue.stop(wait=wait)
        self.checking.queue.stop(wait=wait)
        self.quick.stop(wait=wait)
        self.scoring.long_work.shutdown(wait=wait)

    def _score(self, calls: Sequence[Call]) -> None:
        begin = self._many.get(calls[0].method)
        if begin is None:
            self.scoring.score(calls)
            return
        [call] = calls
        try:
            begin(call).start(self.queue)
        except Exception as error:
            call.fail(error)

    def _list_models(self, call: Call) -> Message:
        parse(model_pb2.ListModelsRequest, require_small(call.take_request()))
        return model_pb2.ListModelsResponse(models=map(model_to_wire, self._models.entries))

    def _get_model(self, call: Call) -> Message:
        request = parse(model_pb2.GetModelRequest, require_small(call.take_request()))
        entry = self._models.find(request.model, request.model_version)
        return model_pb2.GetModelResponse(model=model_to_wire(entry))
