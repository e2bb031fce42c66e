# Written without a Docker engine at hand: not built yet.
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --omit=dev --omit=optional

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY package.json LICENSE ./
COPY bin bin
COPY connectors connectors
COPY sql sql
COPY src src
# Nothing below /app is written: the spool, and a key file where none is given, go to the volume.
RUN install -d -o node -g node -m 0700 /var/lib/postern
USER node
VOLUME /var/lib/postern
WORKDIR /var/lib/postern
EXPOSE 6432 8432
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/app/bin/postern.mjs"]
CMD ["up"]
