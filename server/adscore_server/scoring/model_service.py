"""adscore.v1.ModelService: each method converts, calls, converts."""

import grpc

from adscore_protos.v1 import model_pb2, model_pb2_grpc
from adscore_server.models.registry import ServedModels
from adscore_server.scoring.convert import model_to_wire


class ModelService(model_pb2_grpc.ModelServiceServicer):
    """Describes the models that the server holds."""

    def __init__(self, models: ServedModels) -> None:
        self._models = models

    def ListModels(  # noqa: N802 - the contract's name
        self,
        request: model_pb2.ListModelsRequest,  # noqa: ARG002
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> model_pb2.ListModelsResponse:
        """Lists every version of every model, those that were refused too."""
        return model_pb2.ListModelsResponse(models=map(model_to_wire, self._models.entries))

    def GetModel(  # noqa: N802 - the contract's name
        self,
        request: model_pb2.GetModelRequest,
        context: grpc.ServicerContext,  # noqa: ARG002
    ) -> model_pb2.GetModelResponse:
        """Describes one version of one model."""
        entry = self._models.find(request.model, request.model_version)
        return model_pb2.GetModelResponse(model=model_to_wire(entry))
