"""The sample image as a user has it: with the Dockerfile it was built from, and beside it the image of a later build."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from layerscope.advice.advice import Adviser
from layerscope.cli.advising import find_advice
from layerscope.progress import Progress
from layerscope.sources.base import Base
from layerscope.sources.demo import STORY, DemoMember, _time, noise, open_demo, prose
from layerscope.sources.image import Image
from support.image_builder import TYPE_FLAGS, Layer, Member
from support.screens import built

DOCKERFILE = """\
FROM debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends python3
RUN rm -rf /var/lib/apt/lists/*
ENV PYTHONUNBUFFERED=1
COPY . /srv/app
RUN useradd app && chown -R app:app /srv/app
RUN rm /srv/app/.env
RUN sed -i s/True/False/ /srv/app/settings.py
RUN mv /srv/app/models /var/lib/models
RUN rm -rf /srv/app/static && make static
COPY fonts /srv/app/fonts
USER app
EXPOSE 8000
CMD ["python3", "/srv/app/main.py"]
"""
LATER = (
    DemoMember("srv/app/static/vendor.js", prose("vendor.js", 380_000)),
    DemoMember("srv/app/main.py", prose("main, again", 14_000)),
    DemoMember("var/log/pip.log", prose("pip", 64_000)),
    DemoMember("usr/lib/python3.11/numpy.so", noise("numpy", 900_000)),
    DemoMember("srv/app/tests/.wh.fixture.sql"),
)
"""What one more layer of the later build holds."""
KINDS = {flag: kind for kind, flag in TYPE_FLAGS.items()}


def sample(_progress: Progress) -> tuple[Image, Base]:
    return open_demo(), Base(1, "debian:12-slim")


def later(progress: Progress) -> tuple[Image, Base]:
    """The image of the later build."""
    steps = [*enumerate(step.items for step in STORY), (len(STORY), LATER)]
    layers = (Layer(tuple(_member(item, _time(step)) for item in items)) for step, items in steps if items)
    image, base = built(*layers)(progress)
    return replace(image, reference="demo:2"), base


def _member(item: DemoMember, mtime: int) -> Member:
    name, target = item.path.encode(), item.target.encode()
    return Member(name, KINDS[item.flag], item.content, item.mode, item.owner, item.owner, mtime, target=target)


def adviser(place: Path) -> Adviser:
    """Advice with the sample's Dockerfile, which is written to a directory."""
    dockerfile = place / "Dockerfile"
    dockerfile.write_text(DOCKERFILE, encoding="utf-8")
    return lambda analysis, only: find_advice(analysis, dockerfile, only=only)
