# The image of every step on Kubeflow Pipelines; see docs/kubeflow.md.
#
#   docker build --tag registry.example/sluice:0.1.0 .
#
# That is Python 3.10 with TFX 1.16. Python 3.13 with TFX 1.21:
#
#   docker build --build-arg PYTHON=3.13-slim-trixie --build-arg STACK=tfx-1.21 --tag …
ARG PYTHON=3.10-slim-bookworm

# Pinned and hashed, in a layer that changes only when they do; the compiler stays behind in this stage.
FROM python:${PYTHON} AS packages
ARG STACK=tfx-1.16
# Where pip and uv shall look, if not where they do by themselves; hashes hold in any case.
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
RUN apt-get update && apt-get install --yes --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY requirements/uv.txt requirements/${STACK}.txt requirements/
RUN pip install --no-cache-dir --require-hashes --requirement requirements/uv.txt && \
    uv venv /opt/packages && \
    uv pip install --python /opt/packages/bin/python --no-cache --require-hashes --compile-bytecode \
      --requirement requirements/${STACK}.txt

FROM packages AS code
COPY LICENSE README.md pyproject.toml setup.py ./
COPY pipeline pipeline
COPY components components
COPY serving serving
RUN uv pip install --python /opt/packages/bin/python --no-cache --no-deps --no-build-isolation \
      --compile-bytecode --target /opt/sluice .

FROM python:${PYTHON}
COPY --from=packages /opt/packages /opt/packages
COPY --from=code /opt/sluice /opt/sluice
COPY schema /opt/sluice/schema
ENV PATH=/opt/sluice/bin:/opt/packages/bin:$PATH PYTHONPATH=/opt/sluice PYTHONUNBUFFERED=1
RUN useradd --uid 1000 --create-home sluice
# By its number: Kubernetes cannot tell of a name that it is not root (runAsNonRoot).
USER 1000:1000
WORKDIR /home/sluice
CMD ["sluice", "--help"]
