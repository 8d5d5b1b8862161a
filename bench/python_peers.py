"""Trains, or predicts with, networks of PyTorch and scikit-learn for bench_peers and bench_predict.

Reads lines `KIND UNITS BATCH THREADS SECONDS`, such as `torch 784,128,10 32 1 0.3`, KIND one of torch, torch-autograd,
sklearn and torch-predict, and answers each with `PATTERNS_PER_SECOND SETTING` or `error: WHY`. The first line of a
kind, network, batch and thread count tries every setting there is, by turns; the fastest of them is what is measured
from then on.
"""

import itertools
import os
import sys
import time
import warnings

import numpy
import threadpoolctl
import torch
from sklearn.neural_network import MLPClassifier

PATTERN_COUNT = 4096
STEP_SIZE = 0.01
TRIAL_SECONDS, TRIAL_COUNT = 0.02, 4  # The first is to warm up.


def random_patterns(units):
    random = numpy.random.default_rng(1)
    inputs = random.random((PATTERN_COUNT, units[0]), dtype=numpy.float32)
    return inputs, random.integers(units[-1], size=PATTERN_COUNT)


def torch_network(units):
    layers = []
    for below, above in zip(units, units[1:]):
        layers += [torch.nn.Linear(below, above), torch.nn.Sigmoid()]
    return torch.nn.Sequential(*layers[:-1])  # The loss has the softmax.


def batches_of(units, batch):
    """The set's batches as views, made once: nothing is shuffled or copied while time is taken."""
    inputs, classes = random_patterns(units)
    return list(zip(torch.from_numpy(inputs).split(batch), torch.from_numpy(classes).split(batch)))


def autograd(units, batch, foreach, traced):
    """torch.nn and torch.optim, as the tutorials have it, and with their documented accelerations."""
    network, loss = torch_network(units), torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(network.parameters(), lr=STEP_SIZE, foreach=foreach)
    batches = batches_of(units, batch)
    if traced:
        network = torch.jit.trace(network, batches[0][0])

    def step(x, classes):
        optimizer.zero_grad(set_to_none=True)
        loss(network(x), classes).backward()
        optimizer.step()

    return [lambda x=x, classes=classes: step(x, classes) for x, classes in batches]


def by_hand(units, batch):
    """The same step without autograd: fused and in-place operations on buffers that are made once."""
    network = torch_network(units)
    weights = [layer.weight.detach().t().contiguous() for layer in network if isinstance(layer, torch.nn.Linear)]
    biases = [layer.bias.detach() for layer in network if isinstance(layer, torch.nn.Linear)]
    buffers = [torch.empty(batch, count) for count in units[1:]]
    signals = [torch.empty(batch, count) for count in units[1:]]
    rate = STEP_SIZE / batch

    @torch.inference_mode()
    def step(x, targets):
        below = x
        activations = [x]
        for layer, (weight, bias) in enumerate(zip(weights, biases)):
            s = torch.addmm(bias, below, weight, out=buffers[layer])
            below = s.sigmoid_() if layer < len(weights) - 1 else torch.softmax(s, 1)
            activations.append(below)
        signal = below.sub_(targets)
        for layer in reversed(range(len(weights))):
            h = activations[layer]
            if layer > 0:
                sent = torch.mm(signal, weights[layer].t(), out=signals[layer - 1])
                torch.ops.aten.sigmoid_backward.grad_input(sent, h, grad_input=sent)
            weights[layer].addmm_(h.t(), signal, alpha=-rate)
            biases[layer].sub_(signal.sum(0), alpha=rate)
            if layer > 0:
                signal = sent

    steps = []
    for x, classes in batches_of(units, batch):
        targets = torch.nn.functional.one_hot(classes, units[-1]).float()
        steps.append(lambda x=x, targets=targets: step(x, targets))
    return steps


def torch_autograd_settings(units, batch):
    yield "nn and SGD", autograd(units, batch, foreach=False, traced=False)
    yield "nn and SGD foreach", autograd(units, batch, foreach=True, traced=False)
    yield "jit.trace and SGD foreach", autograd(units, batch, foreach=True, traced=True)


def torch_settings(units, batch):
    yield from torch_autograd_settings(units, batch)
    yield "addmm in place", by_hand(units, batch)


def sklearn_settings(units, batch):
    inputs, classes = random_patterns(units)
    network = MLPClassifier(
        hidden_layer_sizes=units[1:-1], activation="logistic", solver="sgd", alpha=0, batch_size=batch,
        learning_rate_init=STEP_SIZE, momentum=0, nesterovs_momentum=False, shuffle=False)
    network.partial_fit(inputs, classes, classes=numpy.arange(units[-1]))
    # As many patterns a call as the time of a trial allows.
    count = PATTERN_COUNT if batch > 1 else 512
    yield "partial_fit", [lambda: network.partial_fit(inputs[:count], classes[:count])], count


def torch_prediction_settings(units, batch):
    network = torch_network(units).append(torch.nn.Softmax(1)).eval()
    inputs = [x for x, _ in batches_of(units, batch)]
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    traced = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(network, inputs[0])))
    linear = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    weights = [(layer.bias, layer.weight.t()) for layer in linear]
    buffers = [torch.empty(batch, count) for count in units[1:]]

    def predict(x):
        for layer, (bias, weight) in enumerate(weights):
            x = torch.addmm(bias, x, weight, out=buffers[layer])
            x = x.sigmoid_() if layer < len(weights) - 1 else torch.softmax(x, 1)
        return x

    yield "nn", [lambda x=x: network(x) for x in inputs]
    yield "jit.freeze", [lambda x=x: traced(x) for x in inputs]
    yield "addmm in place", [lambda x=x: predict(x) for x in inputs]


KINDS = {
    "torch": torch_settings,
    "torch-autograd": torch_autograd_settings,
    "sklearn": sklearn_settings,
    "torch-predict": torch_prediction_settings,
}


class Setting:
    """Steps over the whole set, again and again; goes on from measurement to measurement."""

    def __init__(self, name, steps, patterns_per_step):
        self.name = name
        self.steps = itertools.cycle(steps)
        self.patterns_per_step = patterns_per_step

    def patterns_per_second(self, seconds):
        count, start = 0, time.perf_counter()
        end = start + seconds
        while True:
            next(self.steps)()
            count += 1
            now = time.perf_counter()
            if now >= end:
                return count * self.patterns_per_step / (now - start)


def best_setting(kind, units, batch):
    settings = [Setting(name, steps, count[0] if count else batch) for name, steps, *count in KINDS[kind](units, batch)]
    trials = [[setting.patterns_per_second(TRIAL_SECONDS) for setting in settings] for _ in range(TRIAL_COUNT)]
    rates = [max(of_setting[1:]) for of_setting in zip(*trials)]
    return settings[rates.index(max(rates))]


def main():
    warnings.simplefilter("ignore")
    # What libraries print is not an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    best = {}
    for line in sys.stdin:
        try:
            kind, unit_text, batch_text, threads_text, seconds_text = line.split()
            units, batch = tuple(int(count) for count in unit_text.split(",")), int(batch_text)
            threads = int(threads_text)
            torch.set_num_threads(threads)
            with threadpoolctl.threadpool_limits(threads), torch.set_grad_enabled(kind != "torch-predict"):
                key = (kind, units, batch, threads)
                if key not in best:
                    best[key] = best_setting(kind, units, batch)
                rate = best[key].patterns_per_second(float(seconds_text))
            print(f"{rate:.6g} {best[key].name}", file=answers, flush=True)
        except Exception as error:  # Told to the benchmark, which then cannot measure.
            print(f"error: {type(error).__name__}: {error}".replace("\n", " "), file=answers, flush=True)


if __name__ == "__main__":
    main()
