import java.io.*;

public class Main {
    public static void main(String[] args) throws Exception {
        Process sorter = new ProcessBuilder("as", "sorter", "sort").redirectOutput(ProcessBuilder.Redirect.INHERIT).start();
        Writer in = new OutputStreamWriter(sorter.getOutputStream());
        for (int i = 9; i > 0; i--) {
            in.write("line " + i + "\n");
        }
        in.flush();
        int code = sorter.waitFor();
        System.out.println(code);
        in.close();
    }
}
