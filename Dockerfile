# The tool itself as an image.
#   docker build -t layerscope .
#   docker run --rm -v "$PWD:/images:ro" layerscope image.tar
#   docker run --rm -it -v /var/run/docker.sock:/var/run/docker.sock --group-add "$(stat -c %g /var/run/docker.sock)" layerscope IMAGE
# Any base with a Python 3.11 or newer will do; only the one to build on needs its venv module.
ARG BASE=python:3.13-slim
ARG BUILD_BASE=${BASE}

FROM ${BUILD_BASE} AS build
COPY . /src
# Without pip, what tests the libraries, and zstandard's second backend: no command needs them.
RUN python3 -m venv /build \
 && python3 -m venv --without-pip /opt/layerscope \
 && /build/bin/python -m pip --python /opt/layerscope/bin/python --disable-pip-version-check --no-cache-dir --quiet install /src \
 && find /opt/layerscope/lib -type d -name tests -prune -exec rm -rf {} + \
 && rm -f /opt/layerscope/lib/python3*/site-packages/zstandard/_cffi*.so

FROM ${BASE}
COPY --from=build /opt/layerscope /opt/layerscope
ENV HOME=/tmp LANG=C.UTF-8 PATH=/opt/layerscope/bin:/usr/local/bin:/usr/bin:/bin
WORKDIR /images
# By number: a name would rewrite the base's /etc/passwd.
USER 65532:65532
ENTRYPOINT ["layerscope"]
