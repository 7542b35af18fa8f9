// Says so while the server does not answer: what is shown may be old then. Everything else is htmx's.
"use strict";
const offline = document.getElementById("offline");
const say = (text) => { if (offline.textContent !== text) offline.textContent = text; };
document.addEventListener("htmx:sendError", () => say("The server does not answer; what you see may be old."));
document.addEventListener("htmx:afterOnLoad", () => say(""));
