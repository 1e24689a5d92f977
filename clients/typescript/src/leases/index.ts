export { Lease } from "./lease";
export { LeaseKeeper } from "./lease-keeper";
export {
  type GrantOptions,
  type LeaseDetails,
  type LeaseInfo,
  type LeaseReadOptions,
  Leases,
  type TimeToLiveOptions,
} from "./leases";
