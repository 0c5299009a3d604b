/** What a desktop may read, and what it may write, of each disk in a second; null: any number. */
export interface DiskRates {
  readonly iops: number | null
  /** Kilobytes of 1024 bytes. */
  readonly kbytes: number | null
}
