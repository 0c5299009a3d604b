/** Where the page keeps its half of the token: for this origin alone, and worth nothing without the cookie. */
const KEY = 'ostler.admin.key'

/** The page's half of the token; empty when nobody is signed in. */
export function pageKey(): string {
  return localStorage.getItem(KEY) ?? ''
}

/** Keeps the page's half. */
export function keepPageKey(key: string): void {
  localStorage.setItem(KEY, key)
}

/** Forgets it, and shows the sign-in page in every tab. */
export function forgetPageKey(): void {
  localStorage.removeItem(KEY)
  dispatchEvent(new Event(SIGNED_OUT))
}

/** Event of the window: there is nobody any more. */
export const SIGNED_OUT = 'ostler-signed-out'

/** Calls back when the session ends, here or in another tab. Returns a function that stops it. */
export function onSignedOut(tell: () => void): () => void {
  const elsewhere = (event: StorageEvent): void => {
    if (event.key === KEY && event.newValue === null) tell()
  }
  addEventListener(SIGNED_OUT, tell)
  addEventListener('storage', elsewhere)
  return () => {
    removeEventListener(SIGNED_OUT, tell)
    removeEventListener('storage', elsewhere)
  }
}
