export type { Delivery, Direction, FilterContext, NetworkFilter, Timers } from "./filter";
export { Interference, type NetworkControls } from "./interference";
export { Network, type NetworkMember, type NetworkOptions, type NetworkPort } from "./network";
