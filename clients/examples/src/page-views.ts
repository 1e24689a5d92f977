import { type Collection, integer, type Kv } from "@quorate/client";

/** How often a page was viewed. */
export interface PageViews {
  readonly page: string;
  readonly views: bigint;
}

/** Counts the views of pages, in Quorate: any number of processes may count the same pages. */
export class PageViewCounter {
  readonly #views: Collection<bigint>;

  /** @param kv the namespace to count in; the keys begin with `page-views/` */
  constructor(kv: Kv) {
    this.#views = kv.collection("page-views/", integer);
  }

  /** Counts one view. A view is counted once, even if the node that took it dies before it answers. */
  async record(page: string): Promise<PageViews> {
    return { page, views: await this.#views.increment(page) };
  }

  /** How often a page was viewed; 0 for one that nobody has seen. */
  async read(page: string): Promise<PageViews> {
    return { page, views: (await this.#views.get(page)) ?? 0n };
  }

  /** All pages that begin with `prefix`, in the order of their names, as of one moment. */
  async *list(prefix: string): AsyncGenerator<PageViews, void, undefined> {
    for await (const { id: page, value: views } of this.#views.scan({ start: prefix })) {
      if (!page.startsWith(prefix)) return;
      yield { page, views };
    }
  }
}
