export { ClusterView } from "./cluster-view";
export { type GatewayConfig, type GatewayConfigOutcome, gatewayConfig } from "./config";
export { Gateway, type GatewayOptions } from "./gateway";
export { GatewayService, type GatewayServiceOptions, type GatewayTiming } from "./gateway-service";
export { StatusPoller, type StatusPollerOptions } from "./status-poller";
