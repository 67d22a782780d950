# satibot in a container: docker build -t satibot . ; how to run it stands in examples/deploy/docker-compose.yml.
#
#   docker run -d --name satibot -p 127.0.0.1:7330:7330 -v satibot-data:/data --stop-timeout 40 -e SATIBOT_TOKEN=<a long secret> satibot
#
# SATIBOT_TOKEN is required: inside the container satibot listens on every address, and refuses to do that without a token (exit code 78).
# TELEGRAM_BOT_TOKEN and SATIBOT_ALLOW open Telegram. A satibot.config.* in /data is read as well; without one, the defaults hold.
# --stop-timeout is longer than limits.drainTimeout (25s): Docker's own 10 s would cut running turns short. Nothing is lost even then.

# 1. Build and pack the checkout. Install scripts stay off in all stages: the only one of the project is `prepare`, called here by name.
FROM node:22-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN npm run build && mkdir /packed && npm pack --ignore-scripts --pack-destination /packed

# 2. The packed files, and what they need at run time in the locked versions. Binaries of other systems are left out.
FROM node:22-slim AS install
WORKDIR /opt/satibot
COPY --from=build /packed /packed
RUN tar -xzf /packed/*.tgz --strip-components=1
COPY package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund \
  && find node_modules/@photostructure/sqlite/prebuilds -mindepth 1 -maxdepth 1 ! -name "linux-*" -exec rm -rf {} + \
  && chmod 755 dist/src/app/main.js

# 3. What runs.
FROM node:22-slim
LABEL org.opencontainers.image.title="satibot" \
      org.opencontainers.image.description="An always-on chat-agent runtime: every chat is a state machine, and no message is lost" \
      org.opencontainers.image.licenses="MIT"
COPY --from=install /opt/satibot /opt/satibot
# `docker exec satibot satibot status` works; /data belongs to the user who runs it.
RUN ln -s /opt/satibot/dist/src/app/main.js /usr/local/bin/satibot && mkdir /data && chown node:node /data
ENV NODE_ENV=production \
    SATIBOT_STORE=sqlite:/data/satibot.db \
    SATIBOT_HOST=0.0.0.0 \
    SATIBOT_PORT=7330
USER node
WORKDIR /data
VOLUME /data
EXPOSE 7330
# The daemon handles signals itself, also as process 1: SIGTERM drains it.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.SATIBOT_PORT}/healthz`, { signal: AbortSignal.timeout(8000) }).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/opt/satibot/dist/src/app/main.js"]
CMD ["start"]
