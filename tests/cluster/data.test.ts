import { clusterOfFile } from "#support";
import { hashes } from "./hashes";
import { namespaces } from "./namespaces";
import { operations } from "./operations";
import { patientTests } from "./patient";
import { ranges } from "./ranges";
import { stats } from "./stats";
import { transactions } from "./transactions";

patientTests();

// What is said here of data holds under one leader: with this timing not even a busy machine gives it another one.
const cluster = clusterOfFile({ nodes: 3, gateways: 1, profile: "wan" });

stats(cluster);
operations(cluster);
ranges(cluster);
hashes(cluster);
namespaces(cluster);
transactions(cluster);
