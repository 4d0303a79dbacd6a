// What the studio says, in English. zh.ts has the same keys.
export const en = {
  create: "Create", characters: "Characters", chat: "Chat", console: "Console", skip: "Skip to the content", rooms: "Rooms",
  language: "Language", colours: "Colours", auto: "as the system", light: "light", dark: "dark", colourNow: "Colours: {now}. Change to {next}",
  loading: "Loading", retry: "Try again", dismiss: "Dismiss", cancel: "Cancel", close: "Close", save: "Save", remove: "Delete", copy: "Copy", copied: "Copied",
  offline: "The server does not answer. The studio goes on by itself when it is back.", nothingThere: "There is no such page.", back: "Back",
  more: "More", name: "Name", made: "Made", answered: "the server answered {status}", brokeOff: "The answer broke off.", signOut: "Sign out",
  // the door
  door: "Who are you?", doorWhy: "This server wants a key or a login. It is kept until this tab is closed.", key: "Key", email: "E-mail", password: "Password",
  useKey: "Use the key", logIn: "Log in", withKey: "With a key", withLogin: "With a login",
  // create
  prompt: "What should it show?", make: "Make", makeClip: "Make the clip", makeImage: "Make the picture", clip: "Clip", image: "Picture", kind: "What to make",
  options: "Options", seed: "Seed", random: "random", steps: "Steps", usual: "usual", guidance: "Guidance", takes: "Takes", examples: "Examples", otherExamples: "Other examples",
  wordsKnown: "Words it knows", perhaps: "Did you mean", reading: "Reading the prompt", drawing: "Drawing", unfolding: "Unfolding the frames", starting: "Starting", waiting: "Waiting for its turn",
  inQueue: "number {n} in the queue", step: "step {n} of {of}", left: "about {s} s left", leftMinutes: "about {m} min left", foreseen: "What it is going to be", progress: "Progress", appearsHere: "What you make appears here.",
  speed: "Speed", loop: "Loop", frameBack: "A frame back", frameOn: "A frame on", fullScreen: "Full screen", play: "Play", pause: "Pause", clipOf: "Clip: {text}. Space stops it and lets it go on.",
  remix: "Remix", sameAgain: "Same words, new seed", sameSeed: "Same seed, new words", usePrompt: "Use the prompt", share: "Share", linkCopied: "The link is in the clipboard.", saveAs: "Save as", favourite: "Favourite", unfavourite: "No favourite any more",
  sure: "{n} % sure", unknownWord: "unknown", unknownTitle: "The model does not know this word", understood: "Understood words", about: "seed {seed} · {s} s · made in {t} s",
  madeSoFar: "Made so far", search: "Search", onlyFavourites: "Favourites only", nothingYet: "Nothing yet: write a sentence, or take an example.", nothingFound: "Nothing is called that.", older: "Older clips",
  deleteSure: "Delete “{text}”? This cannot be taken back.", clipFailed: "The clip failed.", keysHelp: "{a} prompt · {b} speed · {c} clips", costs: "about {price}", pictures: "Pictures", picturesKept: "Pictures are kept on this page only: save those you like.", gone: "This clip is not there any more.",
  // characters
  choose: "Choose somebody to talk to.", sayHere: "Say something", send: "Send", stop: "Stop", again: "Another reply", memory: "What is remembered", noMemory: "Nothing yet. Tell something about yourself.",
  recalled: "Recalled for the last reply", forget: "Forget", correct: "Correct", forgetAll: "Forget everything", forgetSure: "Forget everything that was said? This cannot be taken back.",
  you: "You", rightValue: "The right value", previousReply: "The reply before", nextReply: "The next reply", replyOf: "{n} of {of}", edit: "Edit", editSaid: "Say this instead", branches: "Branches", branchesWhy: "Every way that the conversation took. Choose a turn to go on from there; what is not on its branch is not remembered.",
  beginning: "The beginning", goHere: "Go on from here", forgotten: "forgotten", since: "since {day}", importCard: "Import a card", newCharacter: "New character", dropCard: "Drop a card here: PNG, JSON or charx",
  imported: "{name} is here.", exists: "There is somebody of this name already. Replace?", replace: "Replace", exportCard: "Save the card", cardEditor: "Card", description: "Description", personality: "Personality", scenario: "Scenario", greeting: "Greeting",
  exampleTalk: "Example dialogue", system: "System prompt", tags: "Tags, with commas", creator: "Creator", notes: "Notes, for people", tokens: "{n} tokens", preview: "Preview", builtIn: "came with Kuai; saved under another name it becomes yours", saved: "Saved.", nameMissing: "A character needs a name.",
  why: "why", deleteCharacter: "Delete {name}? What was said with it stays on the disk until it is forgotten.", talk: "Talk", portrait: "Portrait of {name}",
  // chat
  newChat: "New chat", chats: "Chats", model: "Model", parameters: "Parameters", temperature: "Temperature", maxTokens: "Most tokens", compare: "Beside another model", second: "Second model", none: "none",
  ask: "Ask something", noModels: "No language model is served. Start with: kuai serve --chat NAME", speedOf: "{n} tokens · {s} tokens/s", emptyChat: "Ask the model something. What is said stays in this browser.", deleteChat: "Delete this chat", untitled: "New chat", rename: "Rename", goOn: "Go on", regenerate: "Again", assistant: "Model",
  // console
  overview: "Overview", keys: "Keys", people: "People", projects: "Projects", limits: "Limits", usage: "Usage", jobs: "Jobs", workers: "Workers", audit: "Audit log", health: "Health", organisation: "Organisation", project: "Project",
  firstRun: "Welcome. This machine is yours: nobody needs a key here. To let programs or people in from elsewhere, make a key.", firstStep: "Make the first key",
  newKey: "New key", keyName: "What is it for?", scopes: "What it may do", allScopes: "everything but accounts", expires: "Ends on", never: "never", secretOnce: "The secret, shown this once. Copy it now.", iHaveIt: "I have it", revoke: "Revoke", revokeSure: "Revoke “{name}”? Whoever uses it is locked out at once.",
  rotate: "Rotate", rotateSure: "Give “{name}” a new secret? The old one counts for one more hour.", revoked: "revoked", active: "active", used: "Last used", unused: "not yet", noKeys: "No keys yet.", state: "State", actions: "Actions", perMinute: "Requests a minute", noLimit: "no limit",
  invite: "Invite", role: "Role", owner: "owner", admin: "administrator", member: "member", viewer: "viewer", invitations: "Invitations", inviteSecret: "Send this to the person, it is shown this once:", noPeople: "Nobody yet but you.", takeBack: "Take back", removeSure: "Take {name} out of the organisation?",
  newOrganisation: "New organisation", newProject: "New project", amount: "Amount", kindOf: "What", whose: "Whose", addLimit: "Set a limit", noLimits: "No limits are set.",
  balance: "Balance", spent: "Spent", perDay: "Per day", byModel: "By model", byKey: "By key", noUsage: "Nothing was used in these days.", days: "{n} days", export: "Export as CSV", requests: "Requests", cost: "Cost", redeem: "Redeem", voucher: "Voucher code", redeemed: "Redeemed.",
  noJobs: "No jobs.", all: "all", filter: "Filter", attempt: "attempt {n}", reviveJob: "Try again", joinWorker: "To add a machine, run there:", noEndpoint: "This server does not offer that.", noWorkers: "Work is done on this machine.",
  when: "When", who: "Who", did: "Did", what: "What", noRecords: "Nothing was changed yet.", verify: "Check the chain", chainOk: "The chain is whole: {n} records.", chainBroken: "The chain is broken: {why}", nextPage: "Next page",
  server: "Server", ok: "answers", latency: "answered in {ms} ms", modelsServed: "Models served", knownWords: "{n} words known", clipsMade: "Clips of {s} s at {fps} frames a second",
};
