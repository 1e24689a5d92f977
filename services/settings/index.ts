export { advertisedAddressFault, listenAddressFault } from "./address";
export { tuneEngine } from "./engine";
export {
  FAULT_EXIT_CODE,
  faultLine,
  readSettings,
  type SettingFault,
  type SettingSpec,
  type SettingsOutcome,
} from "./settings";
