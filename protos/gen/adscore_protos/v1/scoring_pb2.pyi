from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Aim(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AIM_UNSPECIFIED: _ClassVar[Aim]
    AIM_EARN: _ClassVar[Aim]
    AIM_LEARN: _ClassVar[Aim]

class DecisionStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_STATUS_UNSPECIFIED: _ClassVar[DecisionStatus]
    DECISION_STATUS_OPEN: _ClassVar[DecisionStatus]
    DECISION_STATUS_LEADER: _ClassVar[DecisionStatus]
    DECISION_STATUS_TIE: _ClassVar[DecisionStatus]

class DecisionWarning(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_WARNING_UNSPECIFIED: _ClassVar[DecisionWarning]
    DECISION_WARNING_DEFAULT_SPREADS: _ClassVar[DecisionWarning]
    DECISION_WARNING_GROUP_IN_TRAINING: _ClassVar[DecisionWarning]
    DECISION_WARNING_HORIZON_ASSUMED: _ClassVar[DecisionWarning]
    DECISION_WARNING_NO_COUNTS: _ClassVar[DecisionWarning]
    DECISION_WARNING_ONE_ARM: _ClassVar[DecisionWarning]
    DECISION_WARNING_ARMS_UNTRIED: _ClassVar[DecisionWarning]

class ElementKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ELEMENT_KIND_UNSPECIFIED: _ClassVar[ElementKind]
    ELEMENT_KIND_BOX: _ClassVar[ElementKind]
    ELEMENT_KIND_TEXT: _ClassVar[ElementKind]

class IdeaKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IDEA_KIND_UNSPECIFIED: _ClassVar[IdeaKind]
    IDEA_KIND_DROP_WORD: _ClassVar[IdeaKind]
    IDEA_KIND_SWAP_WORD: _ClassVar[IdeaKind]
    IDEA_KIND_HEADLINE: _ClassVar[IdeaKind]
    IDEA_KIND_DROP_ELEMENT: _ClassVar[IdeaKind]
    IDEA_KIND_IMAGE: _ClassVar[IdeaKind]
    IDEA_KIND_CONTEXT: _ClassVar[IdeaKind]
    IDEA_KIND_DROP_PHRASE: _ClassVar[IdeaKind]

class Warning(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WARNING_UNSPECIFIED: _ClassVar[Warning]
    WARNING_MISSING_IMAGE: _ClassVar[Warning]
    WARNING_MISSING_HEADLINE: _ClassVar[Warning]
    WARNING_UNFAMILIAR_CREATIVE: _ClassVar[Warning]
    WARNING_IMAGE_DOWNSCALED: _ClassVar[Warning]
    WARNING_HEADLINE_TRUNCATED: _ClassVar[Warning]
    WARNING_UNKNOWN_CONTEXT: _ClassVar[Warning]
    WARNING_MISSING_CONTEXT: _ClassVar[Warning]
    WARNING_IMAGE_BLANK: _ClassVar[Warning]
    WARNING_HEADLINE_PLACEHOLDER: _ClassVar[Warning]
AIM_UNSPECIFIED: Aim
AIM_EARN: Aim
AIM_LEARN: Aim
DECISION_STATUS_UNSPECIFIED: DecisionStatus
DECISION_STATUS_OPEN: DecisionStatus
DECISION_STATUS_LEADER: DecisionStatus
DECISION_STATUS_TIE: DecisionStatus
DECISION_WARNING_UNSPECIFIED: DecisionWarning
DECISION_WARNING_DEFAULT_SPREADS: DecisionWarning
DECISION_WARNING_GROUP_IN_TRAINING: DecisionWarning
DECISION_WARNING_HORIZON_ASSUMED: DecisionWarning
DECISION_WARNING_NO_COUNTS: DecisionWarning
DECISION_WARNING_ONE_ARM: DecisionWarning
DECISION_WARNING_ARMS_UNTRIED: DecisionWarning
ELEMENT_KIND_UNSPECIFIED: ElementKind
ELEMENT_KIND_BOX: ElementKind
ELEMENT_KIND_TEXT: ElementKind
IDEA_KIND_UNSPECIFIED: IdeaKind
IDEA_KIND_DROP_WORD: IdeaKind
IDEA_KIND_SWAP_WORD: IdeaKind
IDEA_KIND_HEADLINE: IdeaKind
IDEA_KIND_DROP_ELEMENT: IdeaKind
IDEA_KIND_IMAGE: IdeaKind
IDEA_KIND_CONTEXT: IdeaKind
IDEA_KIND_DROP_PHRASE: IdeaKind
WARNING_UNSPECIFIED: Warning
WARNING_MISSING_IMAGE: Warning
WARNING_MISSING_HEADLINE: Warning
WARNING_UNFAMILIAR_CREATIVE: Warning
WARNING_IMAGE_DOWNSCALED: Warning
WARNING_HEADLINE_TRUNCATED: Warning
WARNING_UNKNOWN_CONTEXT: Warning
WARNING_MISSING_CONTEXT: Warning
WARNING_IMAGE_BLANK: Warning
WARNING_HEADLINE_PLACEHOLDER: Warning

class Creative(_message.Message):
    __slots__ = ("id", "headline", "image", "context")
    class ContextEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    HEADLINE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    id: str
    headline: str
    image: bytes
    context: _containers.ScalarMap[str, str]
    def __init__(self, id: _Optional[str] = ..., headline: _Optional[str] = ..., image: _Optional[bytes] = ..., context: _Optional[_Mapping[str, str]] = ...) -> None: ...

class ScoreRequest(_message.Message):
    __slots__ = ("creative", "model", "model_version")
    CREATIVE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    creative: Creative
    model: str
    model_version: str
    def __init__(self, creative: _Optional[_Union[Creative, _Mapping]] = ..., model: _Optional[str] = ..., model_version: _Optional[str] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("score",)
    SCORE_FIELD_NUMBER: _ClassVar[int]
    score: Score
    def __init__(self, score: _Optional[_Union[Score, _Mapping]] = ...) -> None: ...

class BatchScoreRequest(_message.Message):
    __slots__ = ("creatives", "model", "model_version")
    CREATIVES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    creatives: _containers.RepeatedCompositeFieldContainer[Creative]
    model: str
    model_version: str
    def __init__(self, creatives: _Optional[_Iterable[_Union[Creative, _Mapping]]] = ..., model: _Optional[str] = ..., model_version: _Optional[str] = ...) -> None: ...

class BatchScoreResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[BatchScoreResult]
    def __init__(self, results: _Optional[_Iterable[_Union[BatchScoreResult, _Mapping]]] = ...) -> None: ...

class BatchScoreResult(_message.Message):
    __slots__ = ("id", "score", "error")
    ID_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    id: str
    score: Score
    error: CreativeError
    def __init__(self, id: _Optional[str] = ..., score: _Optional[_Union[Score, _Mapping]] = ..., error: _Optional[_Union[CreativeError, _Mapping]] = ...) -> None: ...

class CreativeError(_message.Message):
    __slots__ = ("code", "message", "reason", "field")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    reason: str
    field: str
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., reason: _Optional[str] = ..., field: _Optional[str] = ...) -> None: ...

class StreamScoreRequest(_message.Message):
    __slots__ = ("request_id", "creatives", "model", "model_version")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CREATIVES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    creatives: _containers.RepeatedCompositeFieldContainer[Creative]
    model: str
    model_version: str
    def __init__(self, request_id: _Optional[str] = ..., creatives: _Optional[_Iterable[_Union[Creative, _Mapping]]] = ..., model: _Optional[str] = ..., model_version: _Optional[str] = ...) -> None: ...

class StreamScoreResponse(_message.Message):
    __slots__ = ("request_id", "results")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    results: _containers.RepeatedCompositeFieldContainer[BatchScoreResult]
    def __init__(self, request_id: _Optional[str] = ..., results: _Optional[_Iterable[_Union[BatchScoreResult, _Mapping]]] = ...) -> None: ...

class ScoreCombinationsRequest(_message.Message):
    __slots__ = ("headlines", "images", "context", "model", "model_version")
    class ContextEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    HEADLINES_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    headlines: _containers.RepeatedScalarFieldContainer[str]
    images: _containers.RepeatedScalarFieldContainer[bytes]
    context: _containers.ScalarMap[str, str]
    model: str
    model_version: str
    def __init__(self, headlines: _Optional[_Iterable[str]] = ..., images: _Optional[_Iterable[bytes]] = ..., context: _Optional[_Mapping[str, str]] = ..., model: _Optional[str] = ..., model_version: _Optional[str] = ...) -> None: ...

class ScoreCombinationsResponse(_message.Message):
    __slots__ = ("targets", "agreements", "headline_warnings", "image_warnings", "warnings", "model", "model_version")
    class TargetsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: TargetGrid
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[TargetGrid, _Mapping]] = ...) -> None: ...
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    AGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    HEADLINE_WARNINGS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_WARNINGS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    targets: _containers.MessageMap[str, TargetGrid]
    agreements: _containers.RepeatedScalarFieldContainer[float]
    headline_warnings: _containers.RepeatedCompositeFieldContainer[PartWarnings]
    image_warnings: _containers.RepeatedCompositeFieldContainer[PartWarnings]
    warnings: _containers.RepeatedScalarFieldContainer[Warning]
    model: str
    model_version: str
    def __init__(self, targets: _Optional[_Mapping[str, TargetGrid]] = ..., agreements: _Optional[_Iterable[float]] = ..., headline_warnings: _Optional[_Iterable[_Union[PartWarnings, _Mapping]]] = ..., image_warnings: _Optional[_Iterable[_Union[PartWarnings, _Mapping]]] = ..., warnings: _Optional[_Iterable[_Union[Warning, str]]] = ..., model: _Optional[str] = ..., model_version: _Optional[str] = ...) -> None: ...

class TargetGrid(_message.Message):
    __slots__ = ("means", "lowers", "uppers", "percentiles")
    MEANS_FIELD_NUMBER: _ClassVar[int]
    LOWERS_FIELD_NUMBER: _ClassVar[int]
    UPPERS_FIELD_NUMBER: _ClassVar[int]
    PERCENTILES_FIELD_NUMBER: _ClassVar[int]
    means: _containers.RepeatedScalarFieldContainer[float]
    lowers: _containers.RepeatedScalarFieldContainer[float]
    uppers: _containers.RepeatedScalarFieldContainer[float]
    percentiles: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, means: _Optional[_Iterable[float]] = ..., lowers: _Optional[_Iterable[float]] = ..., uppers: _Optional[_Iterable[float]] = ..., percentiles: _Optional[_Iterable[float]] = ...) -> None: ...

class PartWarnings(_message.Message):
    __slots__ = ("warnings",)
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    warnings: _containers.RepeatedScalarFieldContainer[Warning]
    def __init__(self, warnings: _Optional[_Iterable[_Union[Warning, str]]] = ...) -> None: ...

class MatchRequest(_message.Message):
    __slots__ = ("headlines", "images", "model", "model_version")
    HEADLINES_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    headlines: _containers.RepeatedScalarFieldContainer[str]
    images: _containers.RepeatedScalarFieldContainer[bytes]
    model: str
    model_version: str
    def __init__(self, headlines: _Optional[_Iterable[str]] = ..., images: _Optional[_Iterable[bytes]] = ..., model: _Optional[str] = ..., model_version: _Optional[str] = ...) -> None: ...

class MatchResponse(_message.Message):
    __slots__ = ("rows", "model", "model_version")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[MatchRow]
    model: str
    model_version: str
    def __init__(self, rows: _Optional[_Iterable[_Union[MatchRow, _Mapping]]] = ..., model: _Optional[str] = ..., model_version: _Optional[str] = ...) -> None: ...

class MatchRow(_message.Message):
    __slots__ = ("agreements",)
    AGREEMENTS_FIELD_NUMBER: _ClassVar[int]
    agreements: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, agreements: _Optional[_Iterable[float]] = ...) -> None: ...

class DecideRequest(_message.Message):
    __slots__ = ("arms", "model", "model_version", "group", "counted_after_training", "values", "aim", "horizon", "tolerance", "control")
    class ValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    ARMS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    COUNTED_AFTER_TRAINING_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    AIM_FIELD_NUMBER: _ClassVar[int]
    HORIZON_FIELD_NUMBER: _ClassVar[int]
    TOLERANCE_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    arms: _containers.RepeatedCompositeFieldContainer[Arm]
    model: str
    model_version: str
    group: str
    counted_after_training: bool
    values: _containers.ScalarMap[str, float]
    aim: Aim
    horizon: float
    tolerance: float
    control: str
    def __init__(self, arms: _Optional[_Iterable[_Union[Arm, _Mapping]]] = ..., model: _Optional[str] = ..., model_version: _Optional[str] = ..., group: _Optional[str] = ..., counted_after_training: bool = ..., values: _Optional[_Mapping[str, float]] = ..., aim: _Optional[_Union[Aim, str]] = ..., horizon: _Optional[float] = ..., tolerance: _Optional[float] = ..., control: _Optional[str] = ...) -> None: ...

class Arm(_message.Message):
    __slots__ = ("id", "creative", "prediction", "counts")
    class CountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ArmCounts
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ArmCounts, _Mapping]] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    CREATIVE_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    COUNTS_FIELD_NUMBER: _ClassVar[int]
    id: str
    creative: Creative
    prediction: ArmPrediction
    counts: _containers.MessageMap[str, ArmCounts]
    def __init__(self, id: _Optional[str] = ..., creative: _Optional[_Union[Creative, _Mapping]] = ..., prediction: _Optional[_Union[ArmPrediction, _Mapping]] = ..., counts: _Optional[_Mapping[str, ArmCounts]] = ...) -> None: ...

class ArmPrediction(_message.Message):
    __slots__ = ("targets", "warnings", "model", "model_version")
    class TargetsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: TargetPrediction
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[TargetPrediction, _Mapping]] = ...) -> None: ...
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    targets: _containers.MessageMap[str, TargetPrediction]
    warnings: _containers.RepeatedScalarFieldContainer[Warning]
    model: str
    model_version: str
    def __init__(self, targets: _Optional[_Mapping[str, TargetPrediction]] = ..., warnings: _Optional[_Iterable[_Union[Warning, str]]] = ..., model: _Optional[str] = ..., model_version: _Optional[str] = ...) -> None: ...

class TargetPrediction(_message.Message):
    __slots__ = ("logit", "spread")
    LOGIT_FIELD_NUMBER: _ClassVar[int]
    SPREAD_FIELD_NUMBER: _ClassVar[int]
    logit: float
    spread: float
    def __init__(self, logit: _Optional[float] = ..., spread: _Optional[float] = ...) -> None: ...

class ArmCounts(_message.Message):
    __slots__ = ("trials", "successes")
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    SUCCESSES_FIELD_NUMBER: _ClassVar[int]
    trials: float
    successes: float
    def __init__(self, trials: _Optional[float] = ..., successes: _Optional[float] = ...) -> None: ...

class DecideResponse(_message.Message):
    __slots__ = ("status", "leader", "relative_loss", "arms", "warnings", "aim", "horizon", "targets", "model", "model_version")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    LEADER_FIELD_NUMBER: _ClassVar[int]
    RELATIVE_LOSS_FIELD_NUMBER: _ClassVar[int]
    ARMS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    AIM_FIELD_NUMBER: _ClassVar[int]
    HORIZON_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    status: DecisionStatus
    leader: str
    relative_loss: float
    arms: _containers.RepeatedCompositeFieldContainer[ArmDecision]
    warnings: _containers.RepeatedScalarFieldContainer[DecisionWarning]
    aim: Aim
    horizon: float
    targets: _containers.RepeatedScalarFieldContainer[str]
    model: str
    model_version: str
    def __init__(self, status: _Optional[_Union[DecisionStatus, str]] = ..., leader: _Optional[str] = ..., relative_loss: _Optional[float] = ..., arms: _Optional[_Iterable[_Union[ArmDecision, _Mapping]]] = ..., warnings: _Optional[_Iterable[_Union[DecisionWarning, str]]] = ..., aim: _Optional[_Union[Aim, str]] = ..., horizon: _Optional[float] = ..., targets: _Optional[_Iterable[str]] = ..., model: _Optional[str] = ..., model_version: _Optional[str] = ...) -> None: ...

class ArmDecision(_message.Message):
    __slots__ = ("id", "predicted", "mean", "lower", "upper", "chance_best", "chance_above_control", "relative_loss", "share", "targets", "warnings")
    class TargetsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: TargetDecision
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[TargetDecision, _Mapping]] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    CHANCE_BEST_FIELD_NUMBER: _ClassVar[int]
    CHANCE_ABOVE_CONTROL_FIELD_NUMBER: _ClassVar[int]
    RELATIVE_LOSS_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    id: str
    predicted: float
    mean: float
    lower: float
    upper: float
    chance_best: float
    chance_above_control: float
    relative_loss: float
    share: float
    targets: _containers.MessageMap[str, TargetDecision]
    warnings: _containers.RepeatedScalarFieldContainer[Warning]
    def __init__(self, id: _Optional[str] = ..., predicted: _Optional[float] = ..., mean: _Optional[float] = ..., lower: _Optional[float] = ..., upper: _Optional[float] = ..., chance_best: _Optional[float] = ..., chance_above_control: _Optional[float] = ..., relative_loss: _Optional[float] = ..., share: _Optional[float] = ..., targets: _Optional[_Mapping[str, TargetDecision]] = ..., warnings: _Optional[_Iterable[_Union[Warning, str]]] = ...) -> None: ...

class TargetDecision(_message.Message):
    __slots__ = ("trials", "successes", "predicted", "mean", "lower", "upper", "prediction")
    TRIALS_FIELD_NUMBER: _ClassVar[int]
    SUCCESSES_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    PREDICTION_FIELD_NUMBER: _ClassVar[int]
    trials: float
    successes: float
    predicted: float
    mean: float
    lower: float
    upper: float
    prediction: TargetPrediction
    def __init__(self, trials: _Optional[float] = ..., successes: _Optional[float] = ..., predicted: _Optional[float] = ..., mean: _Optional[float] = ..., lower: _Optional[float] = ..., upper: _Optional[float] = ..., prediction: _Optional[_Union[TargetPrediction, _Mapping]] = ...) -> None: ...

class ExplainRequest(_message.Message):
    __slots__ = ("creative", "model", "model_version", "target", "boxes", "find_text", "swaps", "headlines", "images")
    CREATIVE_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    BOXES_FIELD_NUMBER: _ClassVar[int]
    FIND_TEXT_FIELD_NUMBER: _ClassVar[int]
    SWAPS_FIELD_NUMBER: _ClassVar[int]
    HEADLINES_FIELD_NUMBER: _ClassVar[int]
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    creative: Creative
    model: str
    model_version: str
    target: str
    boxes: _containers.RepeatedCompositeFieldContainer[Box]
    find_text: bool
    swaps: _containers.RepeatedCompositeFieldContainer[WordSwap]
    headlines: _containers.RepeatedScalarFieldContainer[str]
    images: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, creative: _Optional[_Union[Creative, _Mapping]] = ..., model: _Optional[str] = ..., model_version: _Optional[str] = ..., target: _Optional[str] = ..., boxes: _Optional[_Iterable[_Union[Box, _Mapping]]] = ..., find_text: bool = ..., swaps: _Optional[_Iterable[_Union[WordSwap, _Mapping]]] = ..., headlines: _Optional[_Iterable[str]] = ..., images: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Box(_message.Message):
    __slots__ = ("left", "top", "right", "bottom")
    LEFT_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    BOTTOM_FIELD_NUMBER: _ClassVar[int]
    left: int
    top: int
    right: int
    bottom: int
    def __init__(self, left: _Optional[int] = ..., top: _Optional[int] = ..., right: _Optional[int] = ..., bottom: _Optional[int] = ...) -> None: ...

class WordSwap(_message.Message):
    __slots__ = ("word", "replacement")
    WORD_FIELD_NUMBER: _ClassVar[int]
    REPLACEMENT_FIELD_NUMBER: _ClassVar[int]
    word: str
    replacement: str
    def __init__(self, word: _Optional[str] = ..., replacement: _Optional[str] = ...) -> None: ...

class ExplainResponse(_message.Message):
    __slots__ = ("explanation",)
    EXPLANATION_FIELD_NUMBER: _ClassVar[int]
    explanation: Explanation
    def __init__(self, explanation: _Optional[_Union[Explanation, _Mapping]] = ...) -> None: ...

class Explanation(_message.Message):
    __slots__ = ("creative_id", "target", "mean", "lower", "upper", "base", "headline", "image", "context", "remainder", "warnings", "words", "elements", "ideas", "model", "model_version", "phrases")
    class ContextEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    CREATIVE_ID_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    MEAN_FIELD_NUMBER: _ClassVar[int]
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    BASE_FIELD_NUMBER: _ClassVar[int]
    HEADLINE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    REMAINDER_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    ELEMENTS_FIELD_NUMBER: _ClassVar[int]
    IDEAS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    PHRASES_FIELD_NUMBER: _ClassVar[int]
    creative_id: str
    target: str
    mean: float
    lower: float
    upper: float
    base: float
    headline: float
    image: float
    context: _containers.ScalarMap[str, float]
    remainder: float
    warnings: _containers.RepeatedScalarFieldContainer[Warning]
    words: _containers.RepeatedCompositeFieldContainer[WordEffect]
    elements: _containers.RepeatedCompositeFieldContainer[ElementEffect]
    ideas: _containers.RepeatedCompositeFieldContainer[Idea]
    model: str
    model_version: str
    phrases: _containers.RepeatedCompositeFieldContainer[WordEffect]
    def __init__(self, creative_id: _Optional[str] = ..., target: _Optional[str] = ..., mean: _Optional[float] = ..., lower: _Optional[float] = ..., upper: _Optional[float] = ..., base: _Optional[float] = ..., headline: _Optional[float] = ..., image: _Optional[float] = ..., context: _Optional[_Mapping[str, float]] = ..., remainder: _Optional[float] = ..., warnings: _Optional[_Iterable[_Union[Warning, str]]] = ..., words: _Optional[_Iterable[_Union[WordEffect, _Mapping]]] = ..., elements: _Optional[_Iterable[_Union[ElementEffect, _Mapping]]] = ..., ideas: _Optional[_Iterable[_Union[Idea, _Mapping]]] = ..., model: _Optional[str] = ..., model_version: _Optional[str] = ..., phrases: _Optional[_Iterable[_Union[WordEffect, _Mapping]]] = ...) -> None: ...

class WordEffect(_message.Message):
    __slots__ = ("text", "start", "end", "effect")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    text: str
    start: int
    end: int
    effect: float
    def __init__(self, text: _Optional[str] = ..., start: _Optional[int] = ..., end: _Optional[int] = ..., effect: _Optional[float] = ...) -> None: ...

class ElementEffect(_message.Message):
    __slots__ = ("kind", "box", "effect")
    KIND_FIELD_NUMBER: _ClassVar[int]
    BOX_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    kind: ElementKind
    box: Box
    effect: float
    def __init__(self, kind: _Optional[_Union[ElementKind, str]] = ..., box: _Optional[_Union[Box, _Mapping]] = ..., effect: _Optional[float] = ...) -> None: ...

class Idea(_message.Message):
    __slots__ = ("kind", "what", "effect", "lower", "upper", "position", "context_name", "context_value")
    KIND_FIELD_NUMBER: _ClassVar[int]
    WHAT_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_NAME_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_VALUE_FIELD_NUMBER: _ClassVar[int]
    kind: IdeaKind
    what: str
    effect: float
    lower: float
    upper: float
    position: int
    context_name: str
    context_value: str
    def __init__(self, kind: _Optional[_Union[IdeaKind, str]] = ..., what: _Optional[str] = ..., effect: _Optional[float] = ..., lower: _Optional[float] = ..., upper: _Optional[float] = ..., position: _Optional[int] = ..., context_name: _Optional[str] = ..., context_value: _Optional[str] = ...) -> None: ...

class Score(_message.Message):
    __slots__ = ("creative_id", "targets", "agreement", "warnings", "model", "model_version")
    class TargetsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: TargetScore
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[TargetScore, _Mapping]] = ...) -> None: ...
    CREATIVE_ID_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    WARNINGS_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    creative_id: str
    targets: _containers.MessageMap[str, TargetScore]
    agreement: float
    warnings: _containers.RepeatedScalarFieldContainer[Warning]
    model: str
    model_version: str
    def __init__(self, creative_id: _Optional[str] = ..., targets: _Optional[_Mapping[str, TargetScore]] = ..., agreement: _Optional[float] = ..., warnings: _Optional[_Iterable[_Union[Warning, str]]] = ..., model: _Optional[str] = ..., model_version: _Optional[str] = ...) -> None: ...

class TargetScore(_message.Message):
    __slots__ = ("mean", "lower", "upper", "percentile")
    MEAN_FIELD_NUMBER: _ClassVar[int]
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    PERCENTILE_FIELD_NUMBER: _ClassVar[int]
    mean: float
    lower: float
    upper: float
    percentile: float
    def __init__(self, mean: _Optional[float] = ..., lower: _Optional[float] = ..., upper: _Optional[float] = ..., percentile: _Optional[float] = ...) -> None: ...
