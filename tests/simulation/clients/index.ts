export { Clients, type ClientsOptions, startClients } from "./clients";
export type { AnswerEvent, ClientWatcher, ReadEvent } from "./events";
