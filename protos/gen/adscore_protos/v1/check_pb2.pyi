from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEVERITY_UNSPECIFIED: _ClassVar[Severity]
    SEVERITY_ERROR: _ClassVar[Severity]
    SEVERITY_WARNING: _ClassVar[Severity]
SEVERITY_UNSPECIFIED: Severity
SEVERITY_ERROR: Severity
SEVERITY_WARNING: Severity

class CheckRequest(_message.Message):
    __slots__ = ("placement", "creatives")
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    CREATIVES_FIELD_NUMBER: _ClassVar[int]
    placement: str
    creatives: _containers.RepeatedCompositeFieldContainer[CreativeToCheck]
    def __init__(self, placement: _Optional[str] = ..., creatives: _Optional[_Iterable[_Union[CreativeToCheck, _Mapping]]] = ...) -> None: ...

class CreativeToCheck(_message.Message):
    __slots__ = ("id", "headline", "image")
    ID_FIELD_NUMBER: _ClassVar[int]
    HEADLINE_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    id: str
    headline: str
    image: bytes
    def __init__(self, id: _Optional[str] = ..., headline: _Optional[str] = ..., image: _Optional[bytes] = ...) -> None: ...

class CheckResponse(_message.Message):
    __slots__ = ("placement", "creatives", "not_checked")
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    CREATIVES_FIELD_NUMBER: _ClassVar[int]
    NOT_CHECKED_FIELD_NUMBER: _ClassVar[int]
    placement: str
    creatives: _containers.RepeatedCompositeFieldContainer[CheckedCreative]
    not_checked: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, placement: _Optional[str] = ..., creatives: _Optional[_Iterable[_Union[CheckedCreative, _Mapping]]] = ..., not_checked: _Optional[_Iterable[str]] = ...) -> None: ...

class CheckedCreative(_message.Message):
    __slots__ = ("id", "findings")
    ID_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    id: str
    findings: _containers.RepeatedCompositeFieldContainer[Finding]
    def __init__(self, id: _Optional[str] = ..., findings: _Optional[_Iterable[_Union[Finding, _Mapping]]] = ...) -> None: ...

class Finding(_message.Message):
    __slots__ = ("rule", "severity", "message", "expected", "received", "source", "boxes")
    RULE_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    BOXES_FIELD_NUMBER: _ClassVar[int]
    rule: str
    severity: Severity
    message: str
    expected: str
    received: str
    source: str
    boxes: _containers.RepeatedCompositeFieldContainer[ImageBox]
    def __init__(self, rule: _Optional[str] = ..., severity: _Optional[_Union[Severity, str]] = ..., message: _Optional[str] = ..., expected: _Optional[str] = ..., received: _Optional[str] = ..., source: _Optional[str] = ..., boxes: _Optional[_Iterable[_Union[ImageBox, _Mapping]]] = ...) -> None: ...

class ImageBox(_message.Message):
    __slots__ = ("left", "top", "right", "bottom")
    LEFT_FIELD_NUMBER: _ClassVar[int]
    TOP_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    BOTTOM_FIELD_NUMBER: _ClassVar[int]
    left: float
    top: float
    right: float
    bottom: float
    def __init__(self, left: _Optional[float] = ..., top: _Optional[float] = ..., right: _Optional[float] = ..., bottom: _Optional[float] = ...) -> None: ...

class ListPlacementsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPlacementsResponse(_message.Message):
    __slots__ = ("placements",)
    PLACEMENTS_FIELD_NUMBER: _ClassVar[int]
    placements: _containers.RepeatedCompositeFieldContainer[Placement]
    def __init__(self, placements: _Optional[_Iterable[_Union[Placement, _Mapping]]] = ...) -> None: ...

class Placement(_message.Message):
    __slots__ = ("name", "platform", "title", "rules")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    name: str
    platform: str
    title: str
    rules: _containers.RepeatedCompositeFieldContainer[PlacementRule]
    def __init__(self, name: _Optional[str] = ..., platform: _Optional[str] = ..., title: _Optional[str] = ..., rules: _Optional[_Iterable[_Union[PlacementRule, _Mapping]]] = ...) -> None: ...

class PlacementRule(_message.Message):
    __slots__ = ("name", "severity", "expected", "source", "source_date", "confirmed")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    SOURCE_DATE_FIELD_NUMBER: _ClassVar[int]
    CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    name: str
    severity: Severity
    expected: str
    source: str
    source_date: str
    confirmed: bool
    def __init__(self, name: _Optional[str] = ..., severity: _Optional[_Union[Severity, str]] = ..., expected: _Optional[str] = ..., source: _Optional[str] = ..., source_date: _Optional[str] = ..., confirmed: bool = ...) -> None: ...
