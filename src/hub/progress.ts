// How far a download or upload is, told by a generator; whoever has no use for that runs it to its end.
import type { HubSettings } from "./settings.js";

/** Bytes and files of one repository that are on their way. */
export interface TransferProgress {
  /** `org/name` */
  readonly name: string;
  readonly direction: "down" | "up";
  /** Bytes, those of earlier tries included. */
  readonly done: number;
  readonly total: number;
  readonly filesDone: number;
  readonly files: number;
  /** Something that a user should know: a broken connection, a copy from the cache. */
  readonly note?: string;
}

/** What the caller of a transfer decides. */
export interface TransferControl {
  /** Aborting ends it; what has come is kept, and the next try goes on there. */
  readonly signal?: AbortSignal | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Instead of what the environment says, for tests. */
  readonly settings?: Partial<HubSettings> | undefined;
}

/** The same, with a listener. */
export interface DownloadControl extends TransferControl {
  readonly onDownload?: (progress: TransferProgress) => void;
}

/** A transfer that tells how far it is, and returns what it was for. */
export type Transfer<Result> = AsyncGenerator<TransferProgress, Result>;

/** Runs a transfer to its end. */
export async function finished<Result>(
  transfer: Transfer<Result>,
  onProgress: (progress: TransferProgress) => void = () => undefined,
): Promise<Result> {
  for (;;) {
    const { done, value } = await transfer.next();
    if (done) return value;
    onProgress(value);
  }
}
