# The image of deepfakes-detector: code, weights and nothing that is fetched at run time.
#
#   docker build -t deepfakes-detector:cpu .
#   docker build -t deepfakes-detector:cuda --build-arg TORCH=cu126 --build-arg TORCH_INDEX=URL .
#
# BASE         any Debian-like image; where it has Python 3.11 to 3.13 with venv, no package of the distribution is installed
# TORCH        cpu, or cu126: the last build of torch that still runs on Volta cards
# TORCH_INDEX  where that build is offered (pytorch.org names it); without it `cpu` falls back to torch's usual build, some gigabytes larger
# EXTRAS       optional parts of the package, as in pyproject.toml
# USER_NAME    who runs it, always as 1000:1000 (EUCAIM: ds)
#
# SOURCE_DATE_EPOCH  seconds since 1970 that files of the build get instead of the time of day: docs/howto/publish.md, section 8
#
# A folder `wheels` beside this file, if there is one, is all that pip looks at: the build needs no network then.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS base
# Logs and caches of the installation hold times. Bytecode is made anew, since that of the distribution depends on a random hash seed.
RUN set -eu; \
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then \
        apt-get update; \
        DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends python3 python3-venv; \
        rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/ldconfig/aux-cache /var/log/apt /var/log/dpkg.log /var/log/alternatives.log; \
        PYTHONHASHSEED=0 python3 -m compileall -qq -f --invalidation-mode unchecked-hash /usr/lib/python3*; \
    fi; \
    python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { echo "BASE has $(python3 -V); 3.11 to 3.13 is needed" >&2; exit 1; }

FROM base AS builder
ARG TORCH=cpu
ARG TORCH_INDEX=
ARG EXTRAS=dicom
ENV PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_CONSTRAINT=/source/constraints.txt PYTHONHASHSEED=0
WORKDIR /source
# A pattern, so that the folder may be absent.
COPY constraints.txt wheel[s] /wheels/
RUN set -eu; \
    cp /wheels/constraints.txt .; \
    echo '[global]' >/etc/pip.conf; \
    if ls /wheels/*.whl >/dev/null 2>&1; then printf 'no-index = true\nfind-links = /wheels\n' >>/etc/pip.conf; \
    elif [ -n "$TORCH_INDEX" ]; then echo "extra-index-url = $TORCH_INDEX" >>/etc/pip.conf; fi; \
    release="$(sed -n 's/^torch==\([0-9.]*\).*/torch==\1/p' constraints.txt)"; \
    python3 -m venv /opt/dfd; \
    case "$TORCH" in \
        cpu) /opt/dfd/bin/pip install "$release+cpu" \
            || { echo "no CPU build of $release is offered; taking the usual one (TORCH_INDEX names a place that offers it)" >&2; /opt/dfd/bin/pip install "$release"; };; \
        cu[0-9]*) /opt/dfd/bin/pip install "$release+$TORCH";; \
        *) echo "TORCH is cpu or cu126, got '$TORCH'" >&2; exit 1;; \
    esac
COPY pyproject.toml setup.py README.md LICENSE ./
COPY bundles bundles
COPY dfd dfd
# Headers and test programs of torch go: nothing is built at run time. Bytecode is valid by itself and not by the time of its source, since tar
# archives round that time to whole seconds: half of it would be stale in the image, and every start would take a minute and more.
RUN set -eu; \
    /opt/dfd/bin/pip install ".[$EXTRAS]"; \
    /opt/dfd/bin/pip check; \
    /opt/dfd/bin/pip uninstall --yes pip; \
    packages="$(/opt/dfd/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"; \
    rm -rf "$packages"/torch/include "$packages"/torch/test "$packages"/torch/bin/*Test; \
    /opt/dfd/bin/python -m compileall -qq -f --invalidation-mode unchecked-hash "$packages" || echo "some files are no Python of this release"

FROM base
ARG USER_NAME=chaimeleon
ARG SOURCE_DATE_EPOCH
LABEL name="deepfakes-detector" \
      version="0.1.0" \
      description="Finds tampered regions in lung CT and chest MR slices. For research on image collections; not a medical device." \
      maintainer="the maintainers of deepfakes-detector" \
      authorization="This Dockerfile is intended to build a container image that will be publicly accessible in the CHAIMELEON images repository." \
      org.opencontainers.image.title="deepfakes-detector" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.description="Finds tampered regions in lung CT and chest MR slices. For research on image collections; not a medical device." \
      org.opencontainers.image.licenses="Apache-2.0"
# The group may write what the user may: some platforms choose another uid and keep the gid.
RUN set -eu; \
    groupadd --non-unique --gid 1000 "$USER_NAME"; \
    useradd --no-log-init --non-unique --uid 1000 --gid 1000 --create-home --shell /bin/sh "$USER_NAME"; \
    cd "/home/$USER_NAME"; \
    mkdir datasets persistent-home persistent-shared-folder; \
    chown -R 1000:1000 .; \
    chmod -R g=u .
COPY --from=builder /opt/dfd /opt/dfd
# HOME and USER are set because an unknown uid has none. Nothing is written beside the code, and what libraries keep for later goes to /tmp.
ENV PATH=/opt/dfd/bin:$PATH \
    HOME=/home/${USER_NAME} \
    USER=${USER_NAME} \
    DFD_RESULTS=/home/${USER_NAME}/persistent-home/deepfakes-detector/results \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MPLCONFIGDIR=/tmp/matplotlib \
    XDG_CACHE_HOME=/tmp/cache \
    TORCHINDUCTOR_CACHE_DIR=/tmp/torch
USER 1000:1000
WORKDIR /home/${USER_NAME}
ENTRYPOINT ["/opt/dfd/bin/dfd"]
CMD ["--help"]
