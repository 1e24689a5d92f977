import type { ImageChunk, IncomingImage, SnapshotSource } from "#replica";

/** Is told of images that come from peers. */
export interface SnapshotObserver {
  /** A stream began, at the start of an image or after a break. */
  imageBegun(isResumed: boolean): void;
  imageChunkReceived(chunk: ImageChunk): void;
}

/** The source of images, each chunk counted as it passes. */
export function observeSnapshots(source: SnapshotSource, observer: SnapshotObserver): SnapshotSource {
  return {
    async fetch(from, resume, cancellation): Promise<IncomingImage> {
      const image = await source.fetch(from, resume, cancellation);
      observer.imageBegun(resume !== null && image.imageId === resume.imageId);
      return { ...image, chunks: counted(image.chunks, observer) };
    },
  };
}

async function* counted(
  chunks: AsyncIterable<ImageChunk>,
  observer: SnapshotObserver,
): AsyncGenerator<ImageChunk> {
  for await (const chunk of chunks) {
    observer.imageChunkReceived(chunk);
    yield chunk;
  }
}
