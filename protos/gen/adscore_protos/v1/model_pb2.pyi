from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ModelState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODEL_STATE_UNSPECIFIED: _ClassVar[ModelState]
    MODEL_STATE_LOADING: _ClassVar[ModelState]
    MODEL_STATE_READY: _ClassVar[ModelState]
    MODEL_STATE_REFUSED: _ClassVar[ModelState]
MODEL_STATE_UNSPECIFIED: ModelState
MODEL_STATE_LOADING: ModelState
MODEL_STATE_READY: ModelState
MODEL_STATE_REFUSED: ModelState

class ListModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListModelsResponse(_message.Message):
    __slots__ = ("models",)
    MODELS_FIELD_NUMBER: _ClassVar[int]
    models: _containers.RepeatedCompositeFieldContainer[Model]
    def __init__(self, models: _Optional[_Iterable[_Union[Model, _Mapping]]] = ...) -> None: ...

class GetModelRequest(_message.Message):
    __slots__ = ("model", "model_version")
    MODEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_VERSION_FIELD_NUMBER: _ClassVar[int]
    model: str
    model_version: str
    def __init__(self, model: _Optional[str] = ..., model_version: _Optional[str] = ...) -> None: ...

class GetModelResponse(_message.Message):
    __slots__ = ("model",)
    MODEL_FIELD_NUMBER: _ClassVar[int]
    model: Model
    def __init__(self, model: _Optional[_Union[Model, _Mapping]] = ...) -> None: ...

class Model(_message.Message):
    __slots__ = ("name", "version", "state", "state_reason", "targets", "limits", "training", "metrics", "has_agreement")
    class MetricsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: TargetMetrics
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[TargetMetrics, _Mapping]] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    STATE_REASON_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    TRAINING_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    HAS_AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    state: ModelState
    state_reason: str
    targets: _containers.RepeatedScalarFieldContainer[str]
    limits: InputLimits
    training: TrainingSummary
    metrics: _containers.MessageMap[str, TargetMetrics]
    has_agreement: bool
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., state: _Optional[_Union[ModelState, str]] = ..., state_reason: _Optional[str] = ..., targets: _Optional[_Iterable[str]] = ..., limits: _Optional[_Union[InputLimits, _Mapping]] = ..., training: _Optional[_Union[TrainingSummary, _Mapping]] = ..., metrics: _Optional[_Mapping[str, TargetMetrics]] = ..., has_agreement: bool = ...) -> None: ...

class InputLimits(_message.Message):
    __slots__ = ("max_headline_characters", "max_image_bytes", "max_image_pixels", "image_formats", "headline_optional", "image_optional", "context_names", "max_combinations", "image_height", "image_width", "context_values")
    class ContextValuesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: ContextValues
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[ContextValues, _Mapping]] = ...) -> None: ...
    MAX_HEADLINE_CHARACTERS_FIELD_NUMBER: _ClassVar[int]
    MAX_IMAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_IMAGE_PIXELS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FORMATS_FIELD_NUMBER: _ClassVar[int]
    HEADLINE_OPTIONAL_FIELD_NUMBER: _ClassVar[int]
    IMAGE_OPTIONAL_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_NAMES_FIELD_NUMBER: _ClassVar[int]
    MAX_COMBINATIONS_FIELD_NUMBER: _ClassVar[int]
    IMAGE_HEIGHT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_WIDTH_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_VALUES_FIELD_NUMBER: _ClassVar[int]
    max_headline_characters: int
    max_image_bytes: int
    max_image_pixels: int
    image_formats: _containers.RepeatedScalarFieldContainer[str]
    headline_optional: bool
    image_optional: bool
    context_names: _containers.RepeatedScalarFieldContainer[str]
    max_combinations: int
    image_height: int
    image_width: int
    context_values: _containers.MessageMap[str, ContextValues]
    def __init__(self, max_headline_characters: _Optional[int] = ..., max_image_bytes: _Optional[int] = ..., max_image_pixels: _Optional[int] = ..., image_formats: _Optional[_Iterable[str]] = ..., headline_optional: bool = ..., image_optional: bool = ..., context_names: _Optional[_Iterable[str]] = ..., max_combinations: _Optional[int] = ..., image_height: _Optional[int] = ..., image_width: _Optional[int] = ..., context_values: _Optional[_Mapping[str, ContextValues]] = ...) -> None: ...

class ContextValues(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[str]] = ...) -> None: ...

class TrainingSummary(_message.Message):
    __slots__ = ("preset", "creatives", "groups", "seed", "create_time", "adscore_version")
    PRESET_FIELD_NUMBER: _ClassVar[int]
    CREATIVES_FIELD_NUMBER: _ClassVar[int]
    GROUPS_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ADSCORE_VERSION_FIELD_NUMBER: _ClassVar[int]
    preset: str
    creatives: int
    groups: int
    seed: int
    create_time: str
    adscore_version: str
    def __init__(self, preset: _Optional[str] = ..., creatives: _Optional[int] = ..., groups: _Optional[int] = ..., seed: _Optional[int] = ..., create_time: _Optional[str] = ..., adscore_version: _Optional[str] = ...) -> None: ...

class TargetMetrics(_message.Message):
    __slots__ = ("figures",)
    class FiguresEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    FIGURES_FIELD_NUMBER: _ClassVar[int]
    figures: _containers.ScalarMap[str, float]
    def __init__(self, figures: _Optional[_Mapping[str, float]] = ...) -> None: ...
