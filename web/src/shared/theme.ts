import { useState } from 'preact/hooks'

/** `auto`: as the system says. */
export const THEMES = ['auto', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

const KEY = 'ostler.theme'

function kept(): Theme {
  return THEMES.find((theme) => theme === localStorage.getItem(KEY)) ?? 'auto'
}

/** Colours follow the browser's own scheme, which this sets. */
export function applyTheme(theme: Theme = kept()): void {
  document.documentElement.style.colorScheme = theme === 'auto' ? 'light dark' : theme
}

/** The theme, and what chooses another one for this browser. */
export function useTheme(): readonly [Theme, (theme: Theme) => void] {
  const [theme, setTheme] = useState(kept)
  const choose = (chosen: Theme): void => {
    localStorage.setItem(KEY, chosen)
    applyTheme(chosen)
    setTheme(chosen)
  }
  return [theme, choose]
}
