"""Train 784-300-100-10 into a few thousand small integers.

Three things happen on the way, all while the network learns: weights are removed until few are
left, rows and columns that have become empty leave the matrices, and what remains is rounded to a
grid of integers. Masks and roundings are seen by the loss and passed over by the gradient
(`minilib.training.straight_through` says why).
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor, nn

from minilib.integers import IntegerLayer, IntegerNetwork
from minilib.progress import progress

WIDTHS = (300, 100, 10)
BATCH = 256
WARM_UP = 300  # steps
PRUNING = (0.02, 0.55)  # shares of the steps between which weights are removed
ROUNDING = 0.65  # share of the steps after which the network is integers
RENEWAL = 20  # steps between two choices of the weights to keep
VALUE_BITS = 2.3  # what sign and size of a weight cost in the file, roughly


@dataclass(frozen=True)
class Recipe:
    """How a student is trained.

    Attributes
    ----------
    n_weights : int
        How many weights to keep; tied weights count once.
    n_copies : int
        How many versions of each digit it sees: the original, and altered copies.
    taught : bool
        Whether it learns from a teacher, too, or from the labels alone.
    tied : bool
        Whether each weight of the first layer serves a block of 2 x 2 pixels.
    n_steps : int
        Steps of 256 examples.
    lr : float
        Adam's step size after the warm-up; it falls as a cosine to 0.
    weight_decay : float
        Share of each weight that a step of length 1 would take away.
    soft : float
        Share of the teacher in the loss, if there is one.
    temperature : float
        Divides the logits of teacher and student.
    levels : float
        Mean size of the kept weights of a layer, in steps of its grid.
    noise : float
        Share of the pixels that are hidden at random in each step.
    """

    n_weights: int
    n_copies: int = 12
    taught: bool = True
    tied: bool = False
    n_steps: int = 28_000
    lr: float = 6e-3
    weight_decay: float = 0.0
    soft: float = 0.7
    temperature: float = 1.0
    levels: float = 1.8
    noise: float = 0.0


@dataclass(frozen=True)
class Lessons:
    """What a student learns from.

    Attributes
    ----------
    pictures : uint8 Tensor of shape (n_copies, n, 784)
        The originals first, then altered copies.
    labels : int64 Tensor of shape (n,)
        Right answers.
    logits : float32 Tensor of shape (n_copies, n, 10), optional
        The teacher's answers, if there is one.
    """

    pictures: Tensor
    labels: Tensor
    logits: Tensor | None = None


def blocks(pictures: Tensor) -> Tensor:
    """Sum the ink of each block of 2 x 2 pixels: 784 numbers become 196, at most 1,020 each."""
    quarters = pictures.view(-1, 14, 2, 14, 2).to(torch.int16)
    return quarters.sum((2, 4), dtype=torch.int16).flatten(1)


@dataclass
class Learned:
    """A tensor that Adam moves.

    Attributes
    ----------
    value, mean, square : Tensor
        What it is; the running means of its gradient and of its gradient squared.
    """

    value: Tensor
    mean: Tensor = field(init=False)
    square: Tensor = field(init=False)

    def __post_init__(self) -> None:
        """Start at rest."""
        self.mean, self.square = torch.zeros_like(self.value), torch.zeros_like(self.value)

    def step_(self, slope: Tensor, lr: float, step: int) -> None:
        """Take one step of Adam (D. Kingma, J. Ba 2014, arXiv:1412.6980)."""
        self.mean.lerp_(slope, 0.1)
        self.square.lerp_(slope**2, 0.001)
        scale = (self.square / (1 - 0.999**step)).sqrt_().add_(1e-8)
        self.value.addcdiv_(self.mean, scale, value=-lr / (1 - 0.9**step))

    def keep_(self, dim: int, kept: Tensor) -> None:
        """Let rows or columns go."""
        for name in ("value", "mean", "square"):
            setattr(self, name, getattr(self, name)[kept if dim == 0 else (slice(None), kept)])


class Student:
    """The network on its way.

    Attributes
    ----------
    weights, biases : list of Learned
        One each per layer.
    masks : list of bool Tensor
        Which weights are kept.
    pixels : int64 Tensor
        Which inputs the first layer still looks at.
    steps : list of float
        Width of the weight grid, per layer; empty before rounding begins.
    bias_steps, shifts : list
        Width of the bias grid, and its logarithm in units of the layer's sum.
    """

    def __init__(self, recipe: Recipe, seed: int) -> None:
        start = torch.Generator().manual_seed(seed)
        self.side = 14 if recipe.tied else 28
        self.full_ink = 1020.0 if recipe.tied else 255.0
        fans = (self.side**2, *WIDTHS)
        self.weights, self.biases = [], []
        for n_in, n_out in zip(fans, WIDTHS, strict=False):
            spread = math.sqrt((1 if n_out == 10 else 2) / n_in)
            self.weights.append(Learned(torch.randn(n_out, n_in, generator=start) * spread))
            self.biases.append(Learned(torch.zeros(n_out)))
        self.masks = [torch.ones_like(w.value, dtype=torch.bool) for w in self.weights]
        self.pixels = torch.arange(self.side**2)
        self.steps: list[float] = []
        self.bias_steps: list[float] = []
        self.shifts: list[int] = []

    def integers(self) -> tuple[list[Tensor], list[Tensor]]:
        """Round the kept weights and the biases to whole steps of their grids."""
        weights = [
            (w.value / step).round() * mask
            for w, step, mask in zip(self.weights, self.steps, self.masks, strict=True)
        ]
        biases = [
            (b.value / step).round() for b, step in zip(self.biases, self.bias_steps, strict=True)
        ]
        return weights, biases

    def seen(self) -> tuple[list[Tensor], list[Tensor]]:
        """Give weights and biases as the loss sees them: masked, and rounded once that began."""
        if not self.steps:
            weights = [w.value * mask for w, mask in zip(self.weights, self.masks, strict=True)]
            return weights, [b.value.clone() for b in self.biases]
        weights, biases = self.integers()
        return (
            [w * step for w, step in zip(weights, self.steps, strict=True)],
            [b * step for b, step in zip(biases, self.bias_steps, strict=True)],
        )

    def choose_(self, n_weights: int) -> None:
        """Keep the weights whose removal would cost the loss most per bit that it would save."""
        scores = [
            w.value**2 * w.square / bits
            for w, bits in zip(self.weights, self.bits_per_weight(), strict=True)
        ]
        every = torch.cat([score.flatten() for score in scores])
        least = every.kthvalue(max(1, len(every) - n_weights + 1)).values
        self.masks = [score >= least for score in scores]

    def bits_per_weight(self) -> list[Tensor]:
        """Estimate what a weight at each place costs in the file.

        The coder predicts a weight from its row, its column and, in the first layer, its
        neighbours in the picture: in an empty region a weight is a surprise, and surprises cost.
        """
        prices = []
        for number, mask in enumerate(self.masks):
            kept = mask.float()
            mean, trust = kept.mean() + 1e-6, 4.0  # the estimates start as if 4 had been seen
            rows = (kept.sum(1, keepdim=True) + trust * mean) / (kept.shape[1] + trust)
            columns = (kept.sum(0, keepdim=True) + trust * mean) / (kept.shape[0] + trust)
            chance = rows.log2() + columns.log2() - mean.log2()
            if number == 0:
                picture = kept.new_zeros(len(kept), self.side**2)
                picture[:, self.pixels] = kept
                picture = picture.view(-1, 1, self.side, self.side)
                around = nn.functional.avg_pool2d(picture, 3, 1, 1) * 9 - picture
                near = ((around + trust * mean) / (8 + trust)).flatten(1)[:, self.pixels]
                chance = (chance + near.log2()) / 2
            prices.append(VALUE_BITS - chance.clamp(-12, -0.3))
        return prices

    def shrink_(self, least: float) -> None:
        """Let empty rows and columns go, if at least this share of the first layer is empty.

        A neuron that hears nothing but has a bias above 0 is a constant; it goes, too, and the
        training that follows makes up for it.
        """
        first, second, third = self.masks
        hidden = [first.any(1) & second.any(0), second.any(1) & third.any(0)]
        pixels = first[hidden[0]].any(0)
        left = int(hidden[0].sum()) * int(pixels.sum())
        if left > (1 - least) * first.numel():
            return
        for number, kept in enumerate(hidden):
            self.weights[number].keep_(0, kept)
            self.biases[number].keep_(0, kept)
            self.weights[number + 1].keep_(1, kept)
            self.masks[number] = self.masks[number][kept]
            self.masks[number + 1] = self.masks[number + 1][:, kept]
        self.weights[0].keep_(1, pixels)
        self.masks[0] = self.masks[0][:, pixels]
        self.pixels = self.pixels[pixels]

    def begin_rounding_(self, levels: float) -> None:
        """Fix the grids: a step of the weights per layer, and for its biases a power of two."""
        unit = 1 / self.full_ink  # what one unit of the layer's sum stands for
        for weight, mask, bias in zip(self.weights, self.masks, self.biases, strict=True):
            step = weight.value[mask].abs().mean().item() / levels
            unit *= step
            shift = max(0, round(math.log2(max(bias.value.std().item(), 1e-6) / 2 / unit)))
            self.steps.append(step)
            self.shifts.append(shift)
            self.bias_steps.append(unit * 2.0**shift)

    def network(self) -> IntegerNetwork:
        """Hand over the integers, without neurons that hear or say nothing."""
        weights, biases = self.integers()
        weights = [w.long().numpy() for w in weights]
        biases = [b.long().numpy() for b in biases]
        whole = np.zeros((len(weights[0]), self.side**2), dtype=np.int64)
        whole[:, self.pixels.numpy()] = weights[0]
        if self.side == 14:
            squares = whole.reshape(-1, 14, 14).repeat(2, axis=1).repeat(2, axis=2)
            whole = squares.reshape(-1, 784)
        weights[0] = whole
        for _ in weights:  # what falls silent may silence others
            for number in (0, 1):
                hears = weights[number].any(1) | (biases[number] > 0)
                kept = hears & weights[number + 1].any(0)
                weights[number], biases[number] = weights[number][kept], biases[number][kept]
                weights[number + 1] = weights[number + 1][:, kept]
        return IntegerNetwork(
            tuple(
                IntegerLayer(w.astype(np.int32), b.astype(np.int32), shift)
                for w, b, shift in zip(weights, biases, self.shifts, strict=True)
            )
        )


def ordered(network: IntegerNetwork) -> IntegerNetwork:
    """Sort the hidden neurons, the best connected first: what comes next is easier to guess.

    The order of hidden neurons means nothing, so the file may have the one that costs least.
    """
    layers = list(network.layers)
    for number in range(len(layers) - 1):
        here, following = layers[number], layers[number + 1]
        order = np.argsort(-np.count_nonzero(here.weight, axis=1), kind="stable")
        layers[number] = replace(here, weight=here.weight[order], bias=here.bias[order])
        layers[number + 1] = replace(following, weight=following.weight[:, order])
    return IntegerNetwork(tuple(layers))


def logits(x: Tensor, weights: list[Tensor], biases: list[Tensor]) -> Tensor:
    """Pass inputs through three layers with ReLUs between them."""
    for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
        x = nn.functional.linear(x, weight, bias).relu()
    return nn.functional.linear(x, weights[-1], biases[-1])


def train(recipe: Recipe, lessons: Lessons, seed: int) -> IntegerNetwork:
    """Train one student.

    Parameters
    ----------
    recipe : Recipe
        How.
    lessons : Lessons
        From what.
    seed : int
        Seed of its start and of the order of the examples.

    Returns
    -------
    minilib.integers.IntegerNetwork
    """
    student, n_steps = Student(recipe, seed), recipe.n_steps
    draw = torch.Generator().manual_seed(1000 + seed)
    n_copies, n, _ = lessons.pictures.shape
    n_start = sum(mask.numel() for mask in student.masks)
    first, last = (int(share * n_steps) for share in PRUNING)
    rounding = int(ROUNDING * n_steps)
    for step in progress(range(n_steps), f"steps of seed {seed}"):
        if first <= step <= rounding and step % RENEWAL == 0:
            done = min(1, (step - first) / (last - first))
            student.choose_(recipe.n_weights + int((n_start - recipe.n_weights) * (1 - done) ** 3))
            student.shrink_(0.25)
        if step == rounding:
            student.shrink_(0)
            student.begin_rounding_(recipe.levels)

        copies = torch.randint(n_copies, (BATCH,), generator=draw)
        rows = torch.randint(n, (BATCH,), generator=draw)
        pictures = lessons.pictures[copies, rows]
        pictures = blocks(pictures) if recipe.tied else pictures
        x = pictures[:, student.pixels].float() / student.full_ink
        if recipe.noise:
            x = x * (torch.rand(x.shape, generator=draw) >= recipe.noise) / (1 - recipe.noise)
        weights, biases = student.seen()
        for tensor in weights + biases:
            tensor.requires_grad_()
        answer = logits(x, weights, biases)
        loss = nn.functional.cross_entropy(answer, lessons.labels[rows])
        if lessons.logits is not None:
            far = distance(answer, lessons.logits[copies, rows], recipe.temperature)
            loss = (1 - recipe.soft) * loss + recipe.soft * far
        slopes = torch.autograd.grad(loss, weights + biases)

        lr = recipe.lr * min(1, (step + 1) / WARM_UP) * (1 + math.cos(math.pi * step / n_steps)) / 2
        for weight, mask in zip(student.weights, student.masks, strict=True):
            weight.value.mul_(1 - lr * recipe.weight_decay)
            if step < rounding:
                weight.value.mul_(torch.where(mask, 1.0, 1 - lr))  # what was removed fades
        for tensor, slope in zip(student.weights + student.biases, slopes, strict=True):
            tensor.step_(slope, lr, step + 1)
    return student.network()


def distance(answer: Tensor, target: Tensor, temperature: float) -> Tensor:
    """How far the student's softened answers are from the teacher's, in nats times T²."""
    return temperature**2 * nn.functional.kl_div(
        nn.functional.log_softmax(answer / temperature, dim=1),
        nn.functional.log_softmax(target / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
