/** The place in the page's address where devices are paired. */
export const PAIRING = '#pair'

const KEY = 'ostler.next'

/** The way over a provider loses the place in the address: the tab keeps it. */
export function rememberPairing(): void {
  if (location.hash === PAIRING) sessionStorage.setItem(KEY, PAIRING)
}

/** Says whether the user wants to pair a device, now that she is in. */
export function wantsPairing(): boolean {
  if (sessionStorage.getItem(KEY) === PAIRING) {
    sessionStorage.removeItem(KEY)
    location.hash = PAIRING
  }
  return location.hash === PAIRING
}
