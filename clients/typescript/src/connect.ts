import { type ClientOptions, Quorate } from "./quorate";

/**
 * Makes a client of a cluster. It connects when it is first used.
 *
 * @example
 * const quorate = connect("127.0.0.1:7400");
 * await quorate.kv.put("greeting", "hello");
 * console.log(await quorate.kv.getText("greeting"));
 * await quorate.close();
 *
 * @param options the endpoints alone ("host:port[,host:port]"), or with other settings
 * @throws QuorateError INVALID_ARGUMENT that names the setting that is wrong
 */
export function connect(options: ClientOptions | string): Quorate {
  return new Quorate(typeof options === "string" ? { endpoints: options } : options);
}
