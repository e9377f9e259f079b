# CPU image, without conda:
#   docker build -t faceleak .
#   docker run --rm -v faceleak:/out faceleak run quick --out /out/quick
#   docker run --rm --user "$(id -u)" -e HOME=/tmp -v "$PWD/out:/out" faceleak run quick --out /out/quick
# A named volume belongs to the image's user; of a folder of yours, made before, say who you are, as in the second line.
FROM python:3.11-slim AS build
WORKDIR /src
COPY . .
RUN pip wheel --no-deps --no-cache-dir --wheel-dir /wheels .

FROM python:3.11-slim
# insightface compiles a part of itself, and OpenCV wants the other two.
RUN apt-get update && apt-get install -y --no-install-recommends g++ libgl1 libglib2.0-0 && rm -rf /var/lib/apt/lists/*
COPY --from=build /wheels /wheels
COPY constraints.txt /wheels/
# torch without CUDA first, in the pinned version, so that nothing else pulls the large one.
RUN pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu $(grep -E '^torch(vision)?==' /wheels/constraints.txt) \
 && pip install --no-cache-dir --constraint /wheels/constraints.txt "$(ls /wheels/*.whl)[all]"
RUN useradd --create-home faceleak && mkdir /out && chown faceleak /out
USER faceleak
WORKDIR /home/faceleak
ENV FACELEAK_STORE=/out/store
ENTRYPOINT ["faceleak"]
CMD ["--help"]
