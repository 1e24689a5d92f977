export { PageViewServiceDefinition } from "./page-view-definition";
export { PageViewCounter, type PageViews } from "./page-views";
export { pageViewServer } from "./server";
