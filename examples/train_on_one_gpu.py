"""Train models of several sizes at once, on one NVIDIA GPU, as fast as it goes.

    python examples/train_on_one_gpu.py deblur-large photos=PHOTOS minutes=5 \\
        --start deblur-large deblur-small

How the shipped models for blur and snow were last trained (docs/training-log.md). `ccnet train`
takes the same steps, but asks the GPU for each of their thousands of kernels one by one, and makes
the network wait for the degradations. Here the step of each model is a CUDA graph on a stream of
its own, and crops are degraded on one more meanwhile: twice as many crops a second. In exchange
there is no --resume; runs go on from weights, which are written at each validation. What trained
them was this script before it was tidied, with a rate of 1e-3 for the small ones; in this form it
has not been on a GPU.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path

import torch
from torch import Tensor, nn

import ccnet
from ccnet.datasets.crops import CropBatches
from ccnet.degradation.blur import cut_margin
from ccnet.degradation.variety import vary_and_degrade
from ccnet.network import CCNet
from ccnet.network.ccnet import keep_shallow_exact
from ccnet.network.star import EfficientResidualStarModule
from ccnet.training.average import update_average
from ccnet.training.data import CleanPictures, ValidationPairs, find_pictures
from ccnet.training.loss import restoration_loss
from ccnet.training.module import psnr
from ccnet.training.recipe import Recipe
from ccnet.training.recipe_files import load_recipe
from ccnet.training.run import share_of
from ccnet.training.schedule import learning_rate
from ccnet.weights.files import save_model

POOL = 256
"""Crops that each step draws its own from, while the oldest make way for new ones."""

AHEAD = 3
"""Steps that the host may have asked for before they are done."""

VALIDATE_EVERY = 60.0
"""Seconds."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Train on one GPU, as CUDA graphs.")
    parser.add_argument("recipe", help="as of `ccnet train`; minutes= is how long")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--start", nargs="+", required=True, help="models to go on from")
    options = parser.parse_args()
    recipe = load_recipe(options.recipe, options.overrides)
    pictures = find_pictures(recipe)
    if not torch.cuda.is_available() or recipe.minutes is None:
        raise SystemExit("This needs a GPU with CUDA and minutes=; elsewhere use ccnet train.")
    if not isinstance(pictures, CleanPictures):
        raise SystemExit("This degrades photographs; for pairs on disk use ccnet train.")
    if recipe.accumulate * recipe.devices > 1 or recipe.batch > POOL:
        raise SystemExit(f"This takes accumulate=1, devices=1 and a batch= of {POOL} at most.")

    torch.backends.cudnn.benchmark = True
    # A graph for each width, with strips and without; beyond eight the compiler would give up.
    torch._dynamo.config.recompile_limit = 64
    pairs = pictures.validation_pairs(recipe)
    learners = [Learner(recipe, name) for name in options.start]
    pool = Pool(recipe, pictures)
    for learner in learners:
        learner.capture()
    train(recipe, learners, pool, pairs)


class Learner:
    """A network that learns: its average, its optimizer, and the CUDA graph of a step."""

    def __init__(self, recipe: Recipe, start: str) -> None:
        self.name = Path(start).stem
        self.recipe = recipe
        network = ccnet.load_network(start).train().to("cuda")
        self.network: CCNet = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        keep_shallow_exact(self.network, "cuda")
        for module in self.network.modules():
            if isinstance(module, EfficientResidualStarModule):
                module.compile(dynamic=False)
        self.rate = torch.zeros((), device="cuda")
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=self.rate, fused=True, capturable=True
        )
        shape = (recipe.batch, 3, recipe.crop, recipe.crop)
        self.clean = torch.rand(shape, device="cuda")
        self.degraded = self.clean.contiguous(memory_format=torch.channels_last)
        self.loss = torch.zeros((), device="cuda")
        self.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self.graph = torch.cuda.CUDAGraph()

    def capture(self) -> None:
        """Compile and record a step; at a rate of 0, so that nothing is learned of it."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            for _ in range(3):  # what is only done at first cannot be recorded
                self._step()
        torch.cuda.synchronize()
        with torch.cuda.graph(self.graph, stream=self.stream):
            self._step()
        for state in self.optimizer.state.values():
            for value in state.values():
                value.zero_()
        print(f"{self.name}: recorded", flush=True)

    def learn(self, rate: float) -> None:
        """Learn of `degraded` and `clean`, on this learner's stream."""
        self.rate.fill_(rate)
        self.graph.replay()

    def _step(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16, cache_enabled=False):
            outputs = self.network.forward_pyramid(self.degraded)
        loss = restoration_loss(outputs, self.clean).total
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip, foreach=True)
        self.optimizer.step()
        update_average(self.average, self.network, self.recipe.average_decay)
        self.loss.copy_(loss.detach())


class Pool:
    """Crops that are degraded already, on the GPU, and made anew on a stream of their own."""

    def __init__(self, recipe: Recipe, pictures: CleanPictures) -> None:
        self.batch = recipe.batch
        self.degrade, self.margin = pictures.degrade, pictures.margin
        device = torch.device("cuda")
        batches: CropBatches = pictures.batches(recipe, 10**9, share_of(recipe), device)
        self.batches = iter(batches)
        self.generator = torch.Generator(device).manual_seed(recipe.seed)
        self.choice = torch.Generator(device).manual_seed(recipe.seed + 1)
        self.size = POOL // self.batch * self.batch
        self.clean = torch.zeros(self.size, 3, recipe.crop, recipe.crop, device=device)
        self.degraded = torch.zeros_like(self.clean)
        # Many small kernels, each of which would wait for large ones that came before it.
        self.stream = torch.cuda.Stream(priority=-1)  # type: ignore[no-untyped-call]
        self.stream.wait_stream(torch.cuda.current_stream())
        self.oldest = 0
        for _ in range(self.size // self.batch):
            self.renew()

    @torch.no_grad()
    def renew(self) -> None:
        """Put a new batch in the place of the oldest."""
        place = slice(self.oldest, self.oldest + self.batch)
        with torch.cuda.stream(self.stream):
            crops = next(self.batches).clean
            degraded, clean = vary_and_degrade(crops, self.degrade, self.generator)
            self.degraded[place] = cut_margin(degraded, self.margin)
            self.clean[place] = cut_margin(clean, self.margin)
        self.oldest = (self.oldest + self.batch) % self.size

    def draw(self) -> tuple[Tensor, Tensor]:
        """Draw a batch: degraded, and clean."""
        drawn = torch.randint(self.size, (self.batch,), generator=self.choice, device="cuda")
        return self.degraded[drawn], self.clean[drawn]


def train(recipe: Recipe, learners: list[Learner], pool: Pool, pairs: ValidationPairs) -> None:
    """Take steps for the recipe's minutes, and leave each learner's average in its output."""
    assert recipe.minutes is not None
    begin = time.monotonic()
    validate_at = begin
    done: list[torch.cuda.Event] = []
    step = 0
    while (spent := (time.monotonic() - begin) / (60 * recipe.minutes)) < 1:
        if time.monotonic() >= validate_at:
            report(recipe, learners, pairs, step)
            validate_at = time.monotonic() + VALIDATE_EVERY
        rate = learning_rate(
            step,
            steps=10**9,
            warmup=recipe.warmup,
            peak=recipe.rate,
            floor=recipe.lowest_rate,
            time_spent=spent,
        )
        take_step(learners, pool, rate)
        step += 1
        done.append(torch.cuda.Event())  # type: ignore[no-untyped-call]
        done[-1].record(learners[0].stream)
        if len(done) > AHEAD:
            done.pop(0).synchronize()
    report(recipe, learners, pairs, step)


def take_step(learners: list[Learner], pool: Pool, rate: float) -> None:
    """Let all learn of one batch, and make new crops meanwhile."""
    main_stream = torch.cuda.current_stream()
    for stream in (pool.stream, *(learner.stream for learner in learners)):
        main_stream.wait_stream(stream)
    degraded, clean = pool.draw()
    for learner in learners:
        learner.degraded.copy_(degraded)
        learner.clean.copy_(clean)
    for stream in (pool.stream, *(learner.stream for learner in learners)):
        stream.wait_stream(main_stream)
    for learner in learners:
        with torch.cuda.stream(learner.stream):
            learner.learn(rate)
    pool.renew()


@torch.inference_mode()
def report(recipe: Recipe, learners: list[Learner], pairs: ValidationPairs, step: int) -> None:
    """Print how well each average restores, and what it does to clean pictures; write it."""
    torch.cuda.synchronize()
    for learner in learners:
        scores = []
        for degraded, clean in (pairs[index] for index in range(len(pairs))):  # type: ignore[arg-type]
            degraded, clean = degraded[None].cuda(), clean[None].cuda()
            restored, kept = learner.average(degraded), learner.average(clean)
            scores.append(torch.cat([psnr(x, clean) for x in (degraded, restored, kept)]))
        told = ", ".join(f"{score:.2f}" for score in torch.stack(scores).mean(0).tolist())
        print(
            f"{learner.name}: step {step}, loss {learner.loss.item():.3f}, PSNR {told}", flush=True
        )
        facts = {"name": learner.name, "task": recipe.task, "licence": recipe.licence}
        path = recipe.output / f"{learner.name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        save_model(learner.average, path, {**facts, "step": str(step)}, overwrite=True)


if __name__ == "__main__":
    main()
