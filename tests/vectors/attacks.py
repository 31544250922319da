#!/usr/bin/env python3
"""Makes attacks.safetensors: what attacks come to on two small networks, written from the papers.

    python tests/vectors/attacks.py     # torch 2.15, torchvision 0.29, numpy, safetensors

The networks are tests/nn/same.rs's tiny ones with three classes, and the plain one with five, weights by networks.py's
hash (seed 5) in the state dict's order. Pixels are floor(128 (u + 1)) of the hash's image tensor, seed 3; the plain networks read x f - 1, f the float32
nearest to 1 / 127.5, the residual one, which four batch normalisations of hashed statistics make rather flat, x / 8 - 16.
Image i's label is i. All arithmetic is in float64; results are kept as x - x0 in float32,
(n, c, h, w).

    fgsm                Goodfellow et al. 2015, L-infinity, epsilon 4
    gradient            of each image's cross-entropy, by pixels
    bim                 Kurakin et al. 2017, epsilon 4, 10 steps of 1
    pgd, pgd2           Madry et al. 2018 from the image itself, epsilon 4 in L-infinity and 120 in L2, 10 steps of 2.5
                        epsilon / 10
    mi, mi2             Dong et al. 2018, the same epsilons, 10 steps, decay 1
    apgd, apgd2         Croce & Hein 2020, cross-entropy, from the image itself, 10 steps, the same epsilons
    dlr                 apgd with the difference of logits ratio
    dlr_towards         the same towards the next class, of the network with five
    starts, starts2     pgd and pgd2 of 4 steps from two random places each, the one with the greater loss kept
    square              Andriushchenko et al. 2020, epsilon 16, 40 queries

Random words are Philox 4x32-10's, as sharpdim draws them: of image i, start or query d, the values 4 j to 4 j + 3 (in the
order h, w, c) have the words of the counter (j, i, d, what for) and the key (9, 0). What for: 1 uniform in the box, 3 normal in
pairs by Box and Muller, whose counter j = 2^32 - 1 has the radius, 4 the signs of square's stripes, (w, c) for (h, w, c), 5
those of its windows, c for (h, w, c), and 6 with j = 0 the windows' rows and columns.
    towards             bim of a step towards the loss of the next class
"""

import itertools
import math
from pathlib import Path

import networks
import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn
from torchvision.models.resnet import BasicBlock, ResNet

SEED, IMAGES, SEED_OF_WORDS = 5, 3, 9
EPSILON, EPSILON2, STEPS, STEPS_APGD = 4.0, 120.0, 10, 10


def plain(classes):
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            conv = lambda a, b: [nn.Conv2d(a, b, 3, padding=1), nn.ReLU()]
            pool = nn.MaxPool2d(2)
            self.features = nn.Sequential(*conv(3, 4), pool, *conv(4, 8), *conv(8, 8), pool)
            self.classifier = nn.Sequential(
                nn.Linear(72, 32), nn.ReLU(), nn.Identity(), nn.Linear(32, 32), nn.ReLU(), nn.Identity(), nn.Linear(32, classes)
            )

        def forward(self, x):
            x = nn.functional.adaptive_avg_pool2d(self.features(x), 3)
            return self.classifier(torch.flatten(x, 1))

    return Plain()


def residual():
    model = ResNet(BasicBlock, [1, 1, 1, 1])
    model.inplanes = 4
    model.conv1, model.bn1 = nn.Conv2d(3, 4, 7, 2, 3, bias=False), nn.BatchNorm2d(4)
    model.layer1 = model._make_layer(BasicBlock, 4, 1)
    model.layer2 = model._make_layer(BasicBlock, 4, 2, stride=2)
    model.layer3 = model._make_layer(BasicBlock, 8, 1, stride=2)
    model.layer4 = model._make_layer(BasicBlock, 8, 1, stride=2)
    model.fc = nn.Linear(8, 3)
    return model


def hashed(model):
    model.double().eval()
    state = model.state_dict()
    norms = {key[: -len(".running_mean")] for key in state if key.endswith(".running_mean")}
    for at, (key, value) in enumerate(state.items()):
        layer, kind = key.rsplit(".", 1)
        if kind == "num_batches_tracked":
            continue
        u = networks.uniform(SEED, at, value.numel())
        if value.dim() > 1:
            u *= np.sqrt(6.0 / np.prod(value.shape[1:]))
        elif kind == "weight":
            u = 0.5 + 0.1 * u
        elif kind == "running_mean":
            u *= 0.1
        elif kind == "running_var":
            u = 4.0 + 2.0 * u
        elif layer in norms:
            u = np.where(u < 0, -1.125, 1.125)
        else:
            u *= 0.1
        with torch.no_grad():
            value.copy_(torch.from_numpy(u.astype(np.float32).astype(np.float64)).reshape(value.shape))
    return model


def words(fours, image, draw, purpose):
    """Rows of four words of Philox 4x32-10 (Salmon et al., SC 2011)."""
    out = []
    for counter in itertools.product(fours, [image], [draw], [purpose]):
        a, b, c, d = counter
        k0, k1 = SEED_OF_WORDS, 0
        for _ in range(10):
            p, q = 0xD2511F53 * a, 0xCD9E8D57 * c
            a, b, c, d = q >> 32 ^ b ^ k0, q & 0xFFFFFFFF, p >> 32 ^ d ^ k1, p & 0xFFFFFFFF
            k0, k1 = k0 + 0x9E3779B9 & 0xFFFFFFFF, k1 + 0xBB67AE85 & 0xFFFFFFFF
        out.append([a, b, c, d])
    return np.array(out, np.uint64)


class Attacks:
    def __init__(self, model, size, classes, factor, offset):
        shape = (IMAGES, 3, *size)
        u = networks.uniform(3, networks.IMAGES, int(np.prod(shape))).astype(np.float32).astype(np.float64)
        self.least = 1.0
        self.model, self.x0 = model, torch.from_numpy(np.floor(128.0 * (u + 1.0))).reshape(shape)
        self.labels, self.classes = torch.arange(IMAGES), classes
        self.factor, self.offset = float(np.float32(factor)), offset

    def losses(self, x, labels=None):
        logits = self.model(x * self.factor + self.offset)
        return nn.functional.cross_entropy(logits, self.labels if labels is None else labels, reduction="none")

    def ratio(self, x, towards=False):
        """The difference of logits ratio of one image."""
        z = self.model(x * self.factor + self.offset)[0]
        order = z.sort(descending=True)
        label = int(self.labels[0])
        if towards:
            other = z[(label + 1) % self.classes]
            below = order.values[0] - (order.values[2] + order.values[3]) / 2
        else:
            other = order.values[1] if int(order.indices[0]) == label else order.values[0]
            below = order.values[0] - order.values[2]
        return (-(z[label] - other) / below).reshape(1)

    def gradient(self, x, labels=None, climbed=None):
        x = x.clone().requires_grad_()
        losses = climbed(x) if climbed else self.losses(x, labels)
        (g,) = torch.autograd.grad(losses.sum(), x)
        return losses.detach(), g

    @staticmethod
    def length(v):
        return v.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)

    def project(self, x, norm):
        if norm == 2:
            delta = x - self.x0
            x = self.x0 + delta * torch.clamp(EPSILON2 / self.length(delta), max=1.0)
        else:
            x = torch.minimum(torch.maximum(x, self.x0 - EPSILON), self.x0 + EPSILON)
        return x.clamp(0.0, 255.0)

    def direction(self, g, norm):
        return g / self.length(g) if norm == 2 else g.sign()

    def steps(self, norm, step, steps, labels=None):
        x = self.x0
        for _ in range(steps):
            x = self.project(x + step * self.direction(self.gradient(x, labels)[1], norm), norm)
        return x

    def starts(self, norm, number, starts=2, steps=4):
        best, losses = None, None
        for draw in range(starts):
            x = self.project(self.x0 + self.noise(norm, draw), norm)
            for _ in range(steps):
                x = self.project(x + 2.5 * number / steps * self.direction(self.gradient(x)[1], norm), norm)
            found = self.losses(x).detach()
            if best is None:
                best, losses = x, found
            else:
                better = found > losses
                best, losses = torch.where(better.reshape(-1, 1, 1, 1), x, best), torch.maximum(found, losses)
        return best

    def noise(self, norm, draw):
        _, c, h, w = self.x0.shape
        count = h * w * c
        out = []
        for image in range(IMAGES):
            if norm == 0:
                word = words(range(-(-count // 4)), image, draw, 1).reshape(-1)[:count].astype(np.int64)
                values = EPSILON * ((2 * (word >> 9) + 1 - 2**23) / 2**23)
            else:
                word = words(range(-(-count // 4)), image, draw, 3).astype(np.float64)
                part = (word + 0.5) / 2**32
                radius, turn = np.sqrt(-2.0 * np.log(part[:, 0::2])), 2.0 * np.pi * part[:, 1::2]
                normal = np.stack([radius * np.cos(turn), radius * np.sin(turn)], -1).reshape(-1)[:count]
                first = (float(words([2**32 - 1], image, draw, 3)[0, 0]) + 0.5) / 2**32
                values = EPSILON2 * first ** (1.0 / count) * normal / np.linalg.norm(normal)
            out.append(torch.from_numpy(values).reshape(h, w, c).permute(2, 0, 1))
        return torch.stack(out)

    def square(self, epsilon=16.0, queries=40):
        _, c, h, w = self.x0.shape
        sign = lambda word: np.where(word >> 31 == 1, epsilon, -epsilon)
        best = []
        for image in range(IMAGES):
            x0, label = self.x0[image], int(self.labels[image])

            def margin(x):
                z = self.model((x * self.factor + self.offset)[None])[0].detach()
                others = torch.cat([z[:label], z[label + 1 :]])
                return float(z[label] - others.max())

            for query in range(queries):
                if query == 0:
                    word = words(range(-(-w * c // 4)), image, query, 4).reshape(-1)[: w * c]
                    by = torch.from_numpy(sign(word)).reshape(w, c).T[:, None, :].expand(c, h, w)
                    x = (x0 + by).clamp(0.0, 255.0)
                    kept, least = x, margin(x)
                    continue
                if least <= 0.0:
                    break
                part = query * 10_000 // queries
                halvings = sum(part > at for at in [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000])
                side = min(max(round(math.sqrt(0.8 / 2**halvings * h * w)), 1), h, w)
                word = words([0], image, query, 6)[0]
                row, column = (int(word[at]) * (extent - side + 1) >> 32 for at, extent in [(0, h), (1, w)])
                by = torch.from_numpy(sign(words(range(-(-c // 4)), image, query, 5).reshape(-1)[:c]))
                x = kept.clone()
                window = (slice(None), slice(row, row + side), slice(column, column + side))
                x[window] = (x0[window] + by[:, None, None]).clamp(0.0, 255.0)
                found = margin(x)
                if found != least:
                    self.least = min(self.least, abs((found - least) / least))
                if found < least:
                    kept, least = x, found
            best.append(kept)
        return torch.stack(best)

    def momentum(self, norm):
        epsilon = EPSILON2 if norm == 2 else EPSILON
        x, g = self.x0, torch.zeros_like(self.x0)
        for _ in range(STEPS):
            found = self.gradient(x)[1]
            g = g + found / found.abs().flatten(1).sum(1).reshape(-1, 1, 1, 1)
            x = self.project(x + epsilon / STEPS * self.direction(g, norm), norm)
        return x

    def auto(self, norm, climbed=None):
        """Algorithm 1, image by image. The checkpoint at w_j is after w_j steps."""
        p = [0.0, 0.22]
        while p[-1] <= 1.0:
            p.append(p[-1] + max(p[-1] - p[-2] - 0.03, 0.06))
        w = sorted({math.ceil(round(q * STEPS_APGD, 9)) for q in p if q <= 1.0})
        all_images, labels = self.x0, self.labels
        found = []
        for i in range(IMAGES):
            self.x0, self.labels = all_images[i : i + 1], labels[i : i + 1]
            found.append(self.auto_one(norm, w, climbed or self.losses))
        self.x0, self.labels = all_images, labels
        return torch.cat(found)

    def auto_one(self, norm, w, climbed):
        eta = 2.0 * (EPSILON2 if norm == 2 else EPSILON)
        x = before = x_max = self.x0
        f = [float(climbed(x).detach())]
        f_max = f[0]
        f_max_then, halved = f_max, False
        last, raised = 0, 0
        for k in range(STEPS_APGD):
            z = self.project(x + eta * self.direction(self.gradient(x, climbed=climbed)[1], norm), norm)
            new = z if k == 0 else self.project(x + 0.75 * (z - x) + 0.25 * (x - before), norm)
            value = float(climbed(new).detach())
            raised += value > f[-1]
            # What rounding to float32 must not decide, of the loss.
            apart = [abs((value - v) / value) for v in (f[-1], f_max)]
            self.least = min([self.least] + [v for v in apart if v > 0.0])
            before, x = x, new
            if value > f_max:
                x_max, f_max = new, value
            f.append(value)
            if k + 1 in w[1:]:
                few = raised < 0.75 * (k + 1 - last)
                # The step and the greatest loss are what they were at the checkpoint before.
                stuck = not halved and f_max == f_max_then
                halved = few or stuck
                if halved:
                    eta /= 2.0
                    x, f[-1] = x_max, f_max
                last, raised, f_max_then = k + 1, 0, f_max
        return x_max


def main():
    torch.set_num_threads(1)
    out = {}
    for name, model, size, classes, *scale in [
        ("plain", plain(3), (12, 10), 3, 1.0 / 127.5, -1.0),
        ("residual", residual(), (20, 22), 3, 1.0 / 8.0, -16.0),
        ("five", plain(5), (12, 10), 5, 1.0 / 127.5, -1.0),
    ]:
        a = Attacks(hashed(model), size, classes, *scale)
        losses, g = a.gradient(a.x0)
        found = {
            "fgsm": a.steps(0, EPSILON, 1),
            "bim": a.steps(0, 1.0, STEPS),
            "pgd": a.steps(0, 2.5 * EPSILON / STEPS, STEPS),
            "pgd2": a.steps(2, 2.5 * EPSILON2 / STEPS, STEPS),
            "mi": a.momentum(0),
            "mi2": a.momentum(2),
            "apgd": a.auto(0),
            "apgd2": a.auto(2),
            "dlr": a.auto(0, a.ratio),
            "starts": a.starts(0, EPSILON),
            "starts2": a.starts(2, EPSILON2),
            "square": a.square(),
            "towards": a.steps(0, -1.0, STEPS, (a.labels + 1) % classes),
        }
        if classes == 5:
            found = {"dlr_towards": a.auto(0, lambda x: a.ratio(x, towards=True))}
        out[f"{name}.gradient"] = g.float().numpy()
        out[f"{name}.losses"] = losses.float().numpy()
        for attack, x in found.items():
            out[f"{name}.{attack}"] = (x - a.x0).float().numpy()
            out[f"{name}.{attack}.losses"] = a.losses(x).detach().float().numpy()
            print(name, attack, out[f"{name}.{attack}.losses"])
        print(name, "what APGD and Square compare is apart by", a.least, "at least")
        print(name, "losses", losses.numpy(), "least |g|", float(g.abs()[g != 0].min()), "zeros", int((g == 0).sum()))
    save_file({key: np.ascontiguousarray(value) for key, value in out.items()}, Path(__file__).parent / "attacks.safetensors")


if __name__ == "__main__":
    main()
