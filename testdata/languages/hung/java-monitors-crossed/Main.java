import java.io.*;

public class Main {
    static class Account {
        int balance = 100;
        synchronized void give(Account to, int n) throws Exception {
            Thread.sleep(200);
            to.take(n);
            balance -= n;
        }
        synchronized void take(int n) {
            balance += n;
        }
    }

    static Thread transfer(Account from, Account to) {
        Thread t = new Thread(() -> {
            try {
                from.give(to, 1);
            } catch (Exception e) {
                throw new RuntimeException(e);
            }
        });
        t.start();
        return t;
    }

    public static void main(String[] args) throws Exception {
        Process mailer = new ProcessBuilder("as", "mailer", "cat").redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
        PrintStream mail = new PrintStream(mailer.getOutputStream());
        Account a = new Account(), b = new Account();
        Thread one = transfer(a, b), two = transfer(b, a);
        one.join();
        two.join();
        mail.println("done");
        mail.close();
        mailer.waitFor();
    }
}
