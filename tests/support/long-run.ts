/** Whether `npm run test:long` runs: then tests that draw or repeat do more of it than for every change. */
export const isLongRun = process.env.QUORATE_TESTS === "long";
