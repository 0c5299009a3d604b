import { chooseLanguage, type Language, LANGUAGES, phrases, useLanguage } from './language.ts'
import { type Theme, THEMES, useTheme } from './theme.ts'

const say = phrases({
  language: ['Language', 'Idioma'],
  theme: ['Colours', 'Colores'],
  auto: ['As the system', 'Como el sistema'],
  light: ['Light', 'Claro'],
  dark: ['Dark', 'Oscuro'],
})

/** Choosing language and colours, for this browser. */
export function Preferences() {
  const language = useLanguage()
  const [theme, chooseTheme] = useTheme()
  return (
    <div class="preferences">
      <select
        aria-label={say('language')}
        value={language}
        onChange={(event) => chooseLanguage(event.currentTarget.value as Language)}
      >
        {Object.entries(LANGUAGES).map(([tag, name]) => (
          <option key={tag} value={tag} lang={tag}>
            {name}
          </option>
        ))}
      </select>
      <select
        aria-label={say('theme')}
        value={theme}
        onChange={(event) => chooseTheme(event.currentTarget.value as Theme)}
      >
        {THEMES.map((each) => (
          <option key={each} value={each}>
            {say(each)}
          </option>
        ))}
      </select>
    </div>
  )
}
