require "redirect-dsn";
redirect :notify "NEVER,SUCCESS" "a@example.test";
redirect :ret "SOME" "a@example.test";
