/** Kilobits (1000 bits) per second that a desktop may receive and send; null: any number. */
export interface NetworkRates {
  readonly inKbit: number | null
  readonly outKbit: number | null
}
