// Scores creatives on an adscore server and prints one line of JSON for each:
//
//   node score.mjs ADDRESS proto|reflection HEADLINE IMAGE_FILE [HEADLINE IMAGE_FILE ...]
//
// `proto` reads the wire contract from protos/adscore/v1, `reflection` asks the server for it.
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";
import { GrpcReflection } from "grpc-js-reflection-client";

const SERVICE = "adscore.v1.ScoringService";
const TIMEOUT_SECONDS = 10;

// As gRPC's own retries: the server says how long to wait, and which calls are worth it.
const SERVICE_CONFIG = {
  loadBalancingConfig: [{ round_robin: {} }],
  methodConfig: [
    {
      name: [{ service: SERVICE }],
      retryPolicy: {
        maxAttempts: 5,
        initialBackoff: "0.1s",
        maxBackoff: "2s",
        backoffMultiplier: 2,
        retryableStatusCodes: ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
      },
    },
  ],
};

/** Returns the definitions of the service, from the .proto files of this repository. */
function fromProtoFiles() {
  const root = fileURLToPath(new URL("../../protos", import.meta.url));
  return protoLoader.loadSync("adscore/v1/scoring.proto", { includeDirs: [root], keepCase: true });
}

/** Returns the definitions of the service, as the server itself describes them. */
async function fromReflection(address) {
  const reflection = new GrpcReflection(address, grpc.credentials.createInsecure());
  const descriptor = await reflection.getDescriptorBySymbol(SERVICE);
  return descriptor.getPackageDefinition({ keepCase: true });
}

/** Makes a unary call; returns a promise of its answer. */
function call(client, method, request) {
  const deadline = Date.now() + TIMEOUT_SECONDS * 1000;
  return new Promise((resolve, reject) => {
    client[method](request, { deadline }, (error, answer) =>
      error ? reject(error) : resolve(answer),
    );
  });
}

/** Returns the 64 bits of a double as 16 hexadecimal digits: nothing of it is rounded away. */
function bits(number) {
  const buffer = Buffer.alloc(8);
  buffer.writeDoubleBE(number);
  return buffer.toString("hex");
}

/** Returns the pairs of a map; reflection shows a map as it is on the wire, a list of entries. */
function pairs(map) {
  return Array.isArray(map) ? map.map(({ key, value }) => [key, value]) : Object.entries(map);
}

/** Scores the creatives of the command line; prints one line of JSON for each target. */
async function score(address, source, parts) {
  const definition =
    source === "reflection" ? await fromReflection(address) : fromProtoFiles();
  const { ScoringService } = grpc.loadPackageDefinition(definition).adscore.v1;
  const client = new ScoringService(address, grpc.credentials.createInsecure(), {
    "grpc.service_config": JSON.stringify(SERVICE_CONFIG),
  });
  for (let i = 0; i < parts.length; i += 2) {
    const creative = { headline: parts[i], image: await readFile(parts[i + 1]) };
    const { score } = await call(client, "Score", { creative });
    for (const [name, target] of pairs(score.targets)) {
      const { mean, lower, upper, percentile } = target;
      const exact = [mean, lower, upper, percentile].map(bits);
      console.log(JSON.stringify({ target: name, mean, lower, upper, percentile, exact }));
    }
  }
  client.close();
}

const [address, source, ...parts] = process.argv.slice(2);
if (!["proto", "reflection"].includes(source) || !parts.length || parts.length % 2) {
  console.error("usage: node score.mjs ADDRESS proto|reflection HEADLINE IMAGE_FILE [...]");
  process.exit(2);
}
try {
  await score(address, source, parts);
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exit(1);
}
