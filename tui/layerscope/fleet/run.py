"""Reads every distinct layer of a fleet once, the biggest first, then merges each image; on any workers, with one answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from layerscope.fleet.fleet import Fleet
from layerscope.fleet.summaries import ImageResult, LayerResult
from layerscope.fleet.tasks import HowToRead, ImageTask, LayerTask, read_image_task, read_layer_task
from layerscope.fleet.workers import Workers
from layerscope.progress import Progress, ignore

DIED = "the process that read it died; it may need more memory than there is"

MOST_ORIGINS = 4
"""Images from which a layer is tried to be read."""
OnImage = Callable[[int, ImageResult], None]


@dataclass(frozen=True, slots=True)
class FleetResults:
    """What was read: a summary of each layer by its key, and of each image by its number."""

    layers: dict[str, LayerResult]
    images: dict[int, ImageResult]


def analyze_fleet(
    fleet: Fleet, workers: Workers, how: HowToRead, *, progress: Progress = ignore, on_image: OnImage = ignore
) -> FleetResults:
    """Read all layers and merge all images. `on_image` is called with each as it ends. Raises WorkersLost, CannotWrite.

    The result does not depend on the order in which tasks end, nor on who does them.
    """
    layers: dict[str, LayerResult] = {}
    for attempt in range(MOST_ORIGINS):
        tasks = layer_tasks(fleet, how, attempt=attempt, keys=[key for key in fleet.layers if _is_open(layers.get(key))])
        total, done = sum(task.size for task in tasks), 0
        for count, (task, summary) in enumerate(workers.results(read_layer_task, tasks), 1):
            layers[task.key] = summary or LayerResult(problem=DIED)
            done += task.size
            progress(f"layer {count:,} of {len(tasks):,}", done, total)
    images = dict(_without(fleet, layers))
    for number, lacking in images.items():
        on_image(number, lacking)
    numbers = {_image_task(fleet, number, how): number for number in range(len(fleet.images)) if number not in images}
    for count, (each, merged) in enumerate(workers.results(read_image_task, numbers), 1):
        number = numbers[each]
        images[number] = merged or ImageResult(problem=DIED)
        progress(f"image {count:,} of {len(numbers):,}", 0, 0)
        on_image(number, images[number])
    return FleetResults({key: layers[key] for key in fleet.layers}, {number: images[number] for number in sorted(images)})


def _without(fleet: Fleet, layers: Mapping[str, LayerResult]) -> Iterator[tuple[int, ImageResult]]:
    """Yield the images that have a layer which nobody could read: trying once more would tell nothing new."""
    for number, image in enumerate(fleet.images):
        for layer, each in enumerate(image.facts.layers, 1):
            if problem := layers[each.key].problem:
                yield number, ImageResult(problem=f"layer {layer}: {problem}")
                break


def _is_open(result: LayerResult | None) -> bool:
    return result is None or bool(result.problem and result.problem != DIED)


def layer_tasks(fleet: Fleet, how: HowToRead, *, attempt: int, keys: Iterable[str]) -> list[LayerTask]:
    """Return a task for each of the layers `keys`, the biggest first. It is read from the image number `attempt` that has it:
    what one place lacks, damages or lies about, another may have.

    Of layers that differ in size by less than half, those of one image follow each other: a worker opens it once.
    """
    found = []
    for layer in map(fleet.layers.__getitem__, keys):
        if attempt >= len(layer.images):
            continue
        image = fleet.images[layer.images[attempt]]
        number = next(number for number, each in enumerate(image.facts.layers, 1) if each.key == layer.key)
        found.append(LayerTask(image.exact, image.facts.platform, number, layer.key, layer.size, how))
    return sorted(found, key=lambda task: (-task.size.bit_length(), task.exact, -task.size, task.key))


def _image_task(fleet: Fleet, number: int, how: HowToRead) -> ImageTask:
    image = fleet.images[number]
    keys = tuple(layer.key for layer in image.facts.layers)
    return ImageTask(image.exact, image.facts.platform, str(image.facts.id), keys, how)
