# The tool itself as an image: layerscope, the Python and the libraries it needs, and nothing else. It runs with a read-only root, too.
#   docker build -t layerscope .
#   docker save myimage | docker run -i --rm layerscope -
#   docker run --rm -v "$PWD:/images:ro" layerscope image.tar
#   docker run --rm -it -v /var/run/docker.sock:/var/run/docker.sock --group-add "$(stat -c %g /var/run/docker.sock)" layerscope IMAGE
# Any base of Debian's kind with a Python 3.11 or newer, venv and pip will do; nothing of it stays but what is needed of Python.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
RUN apt-get -qq update && apt-get -qq install -y --no-install-recommends binutils gcc libc6-dev patchelf
COPY . /src
RUN python3 -m venv /build \
 && /build/bin/python -m pip --disable-pip-version-check --no-cache-dir --quiet install '/src[aws]' \
 && mkdir -p /image/images /image/tmp /image/usr/bin && chmod 1777 /image/tmp \
 && /src/.ci/program/tree /build/bin/python /image/usr/lib/layerscope \
 && ln -s ../lib/layerscope/bin/layerscope /image/usr/bin/layerscope

FROM scratch
COPY --from=build /image /
ENV HOME=/tmp LANG=C.UTF-8 PATH=/usr/bin
WORKDIR /images
USER 65532:65532
ENTRYPOINT ["layerscope"]
