/*
 * verify - whether the receiver's library takes a request: node verify.js KEY BODY-FILE < HEADERS (JSON)
 * Exit status: 0 it verifies; 1 it does not, with the reason.
 */
const fs = require("fs");
const { Webhook } = require("standardwebhooks");

try {
    const headers = JSON.parse(fs.readFileSync(0, "utf8"));
    new Webhook(process.argv[2]).verify(fs.readFileSync(process.argv[3], "utf8"), headers);
} catch (error) {
    console.error(String(error.message));
    process.exit(1);
}
