// What scripts add to the operator's pages. Every page works without it.

import { startRuleEditors } from "./rule-editor.js";

startRuleEditors();
