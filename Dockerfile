# The server on a CPU: docker build -t ccnet . && docker run --rm -p 127.0.0.1:8000:8000 ccnet
FROM python:3.12-slim
WORKDIR /app
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY src src
RUN pip install --no-cache-dir --constraint constraints.txt ".[serve]" \
    && useradd --system --no-create-home ccnet
USER ccnet
ENV CCNET_HOST=0.0.0.0
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=5)"]
CMD ["ccnet", "serve"]
