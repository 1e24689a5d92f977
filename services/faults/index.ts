export type { Delivery, Direction, FilterContext, NetworkFilter, Timers } from "./filter";
export type { NetworkMember, NetworkPort } from "./network";
