// Whatever draws, with all the draws of the long run.
import "./backup/backup.test";
import "./client/watch-breaks.test";
import "./kv/lease-properties.test";
import "./kv/properties.test";
import "./kv/txn-properties.test";
import "./raft/membership-schedules.test";
import "./raft/schedules.test";
import "./storage/log-crash.test";
import "./storage/log-cut.test";
import "./storage/log-damage.test";
import "./storage/machine-images.test";
import "./storage/state-reclaim.test";
import "./verification/bucket-properties.test";
import "./watch/watch-properties.test";
