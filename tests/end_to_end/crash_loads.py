"""What callers do to a server that is killed at random: each load goes on until it is told to stop, across restarts,
and says what it was promised. The same work on a server that is left alone must end on the same bits."""

import threading

import grpc
from backprop.v1 import matrix_pb2, network_pb2, parameters_pb2, pattern_service_pb2, patterns_pb2, session_pb2
from backprop.v1 import session_service_pb2, training_options_pb2, training_service_pb2
from backprop.v1.pattern_service_pb2_grpc import PatternServiceStub
from backprop.v1.session_service_pb2_grpc import SessionServiceStub
from backprop.v1.training_service_pb2_grpc import TrainingServiceStub

INPUTS = 6
BATCH = 40
# A call that takes longer hangs.
PATIENCE_S = 60
ALREADY_EXISTS = grpc.StatusCode.ALREADY_EXISTS.value[0]


def patterns(number: int, count: int = BATCH) -> patterns_pb2.Patterns:
    """Batch `number` of an endless, fixed sequence."""
    inputs = [((number * count + i) * (j + 3) * 7919 % 2003) / 1000 - 1 for i in range(count) for j in range(INPUTS)]
    targets = [sum(inputs[i * INPUTS:(i + 1) * INPUTS]) ** 2 / 4 for i in range(count)]
    return patterns_pb2.Patterns(
        inputs=matrix_pb2.Matrix(row_count=count, column_count=INPUTS, values=inputs),
        targets=matrix_pb2.Matrix(row_count=count, column_count=1, values=targets))


class Load(threading.Thread):
    """One caller. `work` does a piece of its work and is called again and again; it may fail with UNAVAILABLE at any
    point when the server dies, and must then go on from what the server says."""

    def __init__(self, address: str, name: str):
        super().__init__(name=name)
        self.session = f"sessions/{name}"
        self.stop = threading.Event()
        self.error: Exception | None = None
        self.channel = grpc.insecure_channel(address, options=[
            ("grpc.max_reconnect_backoff_ms", 50), ("grpc.initial_reconnect_backoff_ms", 20),
            ("grpc.min_reconnect_backoff_ms", 500), ("grpc.max_receive_message_length", -1)])
        self.sessions = SessionServiceStub(self.channel)
        self.patterns = PatternServiceStub(self.channel)
        self.training = TrainingServiceStub(self.channel)

    def create(self) -> None:
        """Once, however often it is tried."""
        network = network_pb2.NetworkSpec(
            input_unit_count=INPUTS, output_unit_count=1, task=network_pb2.TASK_REGRESSION,
            hidden_layers=[network_pb2.HiddenLayer(unit_count=8, activation=network_pb2.ACTIVATION_TANH)])
        request = session_service_pb2.CreateSessionRequest(
            session_id=self.name, session=session_pb2.Session(network=network), request_id=f"create {self.name}")
        self.insist(lambda: self.sessions.CreateSession(request, timeout=PATIENCE_S))

    def insist(self, call):
        """The answer of `call`, however often the server dies under it."""
        while True:
            try:
                return call()
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise
                grpc.channel_ready_future(self.channel).result(PATIENCE_S)

    def parameters(self) -> bytes:
        request = session_service_pb2.GetParametersRequest(name=self.session)
        return self.insist(lambda: self.sessions.GetParameters(request, timeout=PATIENCE_S)).SerializeToString()

    def next_offset(self, pattern_set: str) -> int:
        request = pattern_service_pb2.GetPatternSetRequest(name=f"{self.session}/patternSets/{pattern_set}")
        try:
            return self.insist(lambda: self.patterns.GetPatternSet(request, timeout=PATIENCE_S)).pattern_count
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                return 0
            raise

    def run(self) -> None:
        try:
            self.create()
            while not self.stop.is_set():
                self.work()
        except Exception as error:  # Told to the test, which fails by it.
            self.error = error

    def work(self) -> None:
        raise NotImplementedError


class Appending(Load):
    """Appends batch after batch over one stream, several on their way at a time."""

    def __init__(self, address: str):
        super().__init__(address, "appended")
        self.acknowledged = 0

    def requests(self, start: int, limit: int):
        for number in range(start, start + limit):
            if self.stop.is_set():
                return
            yield pattern_service_pb2.AppendPatternsRequest(
                session=self.session, pattern_set="s", offset=number * BATCH, patterns=patterns(number))

    def append_at_end(self, count: int) -> pattern_service_pb2.AppendPatternsResponse:
        """The answer to one batch, of a stream of its own."""
        offset = self.next_offset("s")
        return next(self.patterns.AppendPatterns(iter([pattern_service_pb2.AppendPatternsRequest(
            session=self.session, pattern_set="s", offset=offset, patterns=patterns(offset, count))]),
            timeout=PATIENCE_S))

    def work(self, limit: int = 100) -> None:
        stored = self.next_offset("s")
        assert stored >= self.acknowledged and stored % BATCH == 0, (stored, self.acknowledged)
        try:
            for answer in self.patterns.AppendPatterns(self.requests(stored // BATCH, limit), timeout=PATIENCE_S):
                assert answer.status.code in (0, ALREADY_EXISTS), answer.status
                self.acknowledged = max(self.acknowledged, answer.next_offset)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise

    def stored(self) -> list[patterns_pb2.Patterns]:
        request = pattern_service_pb2.ReadPatternsRequest(name=f"{self.session}/patternSets/s")
        return self.insist(lambda: [answer.patterns for answer in
                                    self.patterns.ReadPatterns(request, timeout=PATIENCE_S)])


class Learning(Load):
    """Trains on-line, message by message, with an optimizer that remembers."""

    OPTIONS = training_options_pb2.TrainingOptions(batch_size=8, step_size=0.01, adam=training_options_pb2.Adam())

    def __init__(self, address: str):
        super().__init__(address, "learned")
        self.acknowledged = 0

    def requests(self, start: int, limit: int):
        for number in range(start, start + limit):
            if self.stop.is_set():
                return
            yield training_service_pb2.TrainOnlineRequest(
                session=self.session, pattern_set="s", offset=number * BATCH, patterns=patterns(number),
                options=self.OPTIONS if number == start else None)

    def work(self, limit: int = 50) -> None:
        stored = self.next_offset("s")
        assert stored >= self.acknowledged and stored % BATCH == 0, (stored, self.acknowledged)
        try:
            for answer in self.training.TrainOnline(self.requests(stored // BATCH, limit), timeout=PATIENCE_S):
                assert answer.status.code in (0, ALREADY_EXISTS), answer.status
                assert answer.model_version * BATCH == answer.next_offset, answer
                self.acknowledged = max(self.acknowledged, answer.next_offset)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise


class Training(Load):
    """Training run after training run, watched from report to report."""

    EPOCHS = 40
    OPTIONS = training_options_pb2.TrainingOptions(
        batch_size=16, step_size=0.02, shuffle=True, seed=7,
        gradient_ascent=training_options_pb2.GradientAscent(momentum=0.9))

    def __init__(self, address: str):
        super().__init__(address, "trained")
        self.run_count = 0
        self.cut_off = 0  # Kills inside a run, between two of its reports.
        self.reports: list[tuple] = []

    def create(self) -> None:
        super().create()
        self.insist(lambda: list(self.patterns.AppendPatterns(iter([pattern_service_pb2.AppendPatternsRequest(
            session=self.session, pattern_set="s", offset=0, patterns=patterns(0, 4000))]), timeout=PATIENCE_S)))

    def work(self) -> None:
        request = training_service_pb2.RunEpochsRequest(
            session=self.session, pattern_set="s", options=self.OPTIONS, epoch_count=self.EPOCHS,
            request_id=f"run {self.run_count}")
        run = f"{self.session}/trainingRuns/run-{self.run_count + 1}"
        epoch, ended = 0, False
        while not ended:  # All reports may be there before the end of the run is kept.
            try:
                stream = self.training.RunEpochs(request, timeout=PATIENCE_S) if epoch == 0 else \
                    self.training.WatchTrainingRun(training_service_pb2.WatchTrainingRunRequest(
                        name=run, after_epoch=epoch), timeout=PATIENCE_S)
                for report in stream:
                    assert report.training_run == run and report.epoch == epoch + 1, (run, epoch, report)
                    epoch = report.epoch
                    self.reports.append((run, epoch, report.log_likelihood, report.gradient_norm, report.model_version))
                ended = True
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise
                self.cut_off += 0 < epoch < self.EPOCHS
                grpc.channel_ready_future(self.channel).result(PATIENCE_S)
        self.run_count += 1


class Stepping(Load):
    """Steps with request ids, each until it is answered, and earlier ones again: they must be carried out once."""

    def __init__(self, address: str):
        super().__init__(address, "stepped")
        self.answers: list[int] = []

    def request(self, number: int) -> training_service_pb2.ApplyGradientRequest:
        def matrix(rows: int, columns: int) -> matrix_pb2.Matrix:
            values = [((i + number) % 17 - 8) / 1000 for i in range(rows * columns)]
            return matrix_pb2.Matrix(row_count=rows, column_count=columns, values=values)

        gradient = parameters_pb2.Parameters(layers=[
            parameters_pb2.LayerParameters(weights=matrix(8, INPUTS), biases=matrix(8, 1)),
            parameters_pb2.LayerParameters(weights=matrix(1, 8), biases=matrix(1, 1))])
        return training_service_pb2.ApplyGradientRequest(
            session=self.session, gradient=gradient, request_id=f"step {number}",
            options=training_options_pb2.TrainingOptions(step_size=0.5, adam=training_options_pb2.Adam()))

    def work(self) -> None:
        number = len(self.answers)
        answer = self.insist(lambda: self.training.ApplyGradient(self.request(number), timeout=PATIENCE_S))
        assert answer.model_version == number + 1, (answer, number)
        self.answers.append(answer.model_version)
        if number % 10 == 9:
            earlier = number - 9
            again = self.insist(lambda: self.training.ApplyGradient(self.request(earlier), timeout=PATIENCE_S))
            assert again.model_version == self.answers[earlier], (again, earlier)

