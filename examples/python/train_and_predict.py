#!/usr/bin/python3
"""Trains a small classifier on a backpropd server and asks it for predictions.

    ./generate_stubs.sh stubs && PYTHONPATH=stubs ./train_and_predict.py [HOST:PORT]
"""

import random
import sys

import grpc
from backprop.v1.matrix_pb2 import Matrix
from backprop.v1.network_pb2 import ACTIVATION_TANH, TASK_MULTIWAY_CLASSIFICATION, HiddenLayer, NetworkSpec
from backprop.v1.pattern_service_pb2 import AppendPatternsRequest
from backprop.v1.pattern_service_pb2_grpc import PatternServiceStub
from backprop.v1.patterns_pb2 import Patterns
from backprop.v1.prediction_service_pb2 import PredictRequest
from backprop.v1.prediction_service_pb2_grpc import PredictionServiceStub
from backprop.v1.session_pb2 import Session
from backprop.v1.session_service_pb2 import CreateSessionRequest, DeleteSessionRequest
from backprop.v1.session_service_pb2_grpc import SessionServiceStub
from backprop.v1.training_options_pb2 import Adam, TrainingOptions
from backprop.v1.training_service_pb2 import RunEpochsRequest
from backprop.v1.training_service_pb2_grpc import TrainingServiceStub
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status


def matrix(points):
    return Matrix(row_count=len(points), column_count=len(points[0]), values=[x for point in points for x in point])


def batches(session):
    """2,000 points of a square, and whether each is inside the disc in its middle, which the network is to learn."""
    draw = random.Random(1)
    for _ in range(20):
        points = [(draw.uniform(-1, 1), draw.uniform(-1, 1)) for _ in range(100)]
        inside = [int(x * x + y * y < 0.5) for x, y in points]
        yield AppendPatternsRequest(session=session, pattern_set="training",
                                    patterns=Patterns(inputs=matrix(points), target_classes=inside))


def print_error(error):
    """Every error carries google.rpc details: a reason for programs, and for bad input all fields that are wrong."""
    print(f"{error.code().name}: {error.details()}")
    info, bad_request = ErrorInfo(), BadRequest()
    for detail in Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"]).details:
        if detail.Unpack(info):
            print(f"  reason {info.reason} of {info.domain}")
        if detail.Unpack(bad_request):
            for violation in bad_request.field_violations:
                print(f"  field {violation.field}: {violation.description}")


def main(channel):
    sessions, predictions = SessionServiceStub(channel), PredictionServiceStub(channel)
    network = NetworkSpec(input_unit_count=2, output_unit_count=2, task=TASK_MULTIWAY_CLASSIFICATION,
                          hidden_layers=[HiddenLayer(unit_count=16, activation=ACTIVATION_TANH)],
                          output_names=["outside", "inside"])
    session = sessions.CreateSession(CreateSessionRequest(session_id="disc", session=Session(network=network)))
    print(f"created {session.name} with {session.parameter_count} parameters")

    # A bad batch is answered by its status, and the stream goes on.
    for stored in PatternServiceStub(channel).AppendPatterns(batches(session.name)):
        if stored.status.code:
            raise RuntimeError(f"the batch for offset {stored.offset} was not stored: {stored.status.message}")
    print(f"stored {stored.next_offset} patterns")

    options = TrainingOptions(batch_size=50, adam=Adam(), step_size=0.01, shuffle=True)
    for report in TrainingServiceStub(channel).RunEpochs(RunEpochsRequest(
            session=session.name, pattern_set="training", options=options, epoch_count=30)):
        print(f"epoch {report.epoch}: log likelihood {report.mean_log_likelihood:.4f}, accuracy {report.accuracy:.4f}")

    points = [(0.0, 0.0), (0.4, -0.3), (0.9, 0.9), (-1.0, 0.2)]
    prediction = predictions.Predict(PredictRequest(session=session.name, inputs=matrix(points)))
    for point, name in zip(points, prediction.class_names):
        print(f"{point} is {name}")

    try:
        predictions.Predict(PredictRequest(session=session.name, inputs=matrix([(1, 2, 3)])))
    except grpc.RpcError as error:
        print_error(error)
    sessions.DeleteSession(DeleteSessionRequest(name=session.name))


if __name__ == "__main__":
    with grpc.insecure_channel(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:50051") as server:
        main(server)
