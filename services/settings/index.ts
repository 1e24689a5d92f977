export { advertisedAddressFault, listenAddressFault } from "./address";
export {
  FAULT_EXIT_CODE,
  faultLine,
  readSettings,
  type SettingFault,
  type SettingSpec,
  type SettingsOutcome,
} from "./settings";
