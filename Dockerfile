# CPU image: docker build -t faceleak . && docker run --rm -v "$PWD/out:/out" faceleak run quick --out /out/quick --store /out/store
FROM python:3.11-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends git build-essential && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN pip wheel --no-deps --no-cache-dir --wheel-dir /wheels .

FROM python:3.11-slim
# insightface compiles a part of itself and OpenCV wants these two.
RUN apt-get update && apt-get install -y --no-install-recommends g++ libgl1 libglib2.0-0 && rm -rf /var/lib/apt/lists/*
COPY --from=build /wheels /wheels
COPY constraints.txt /wheels/
# torch without CUDA first, so that nothing else pulls the large one.
RUN pip install --no-cache-dir --index-url https://download.pytorch.org/whl/cpu torch torchvision \
 && pip install --no-cache-dir "$(ls /wheels/*.whl)[all]"
RUN useradd --create-home faceleak && mkdir /out && chown faceleak /out
USER faceleak
WORKDIR /home/faceleak
ENV FACELEAK_STORE=/home/faceleak/store
ENTRYPOINT ["faceleak"]
CMD ["--help"]
